import { soundSetContract } from './sound-set-contract.ts';

soundSetContract('de', 'espeak');
soundSetContract('en-GB', 'espeak');
soundSetContract('en-US', 'slt');
soundSetContract('es', 'espeak');
soundSetContract('fr', 'espeak');
soundSetContract('it', 'espeak');
soundSetContract('pt-BR', 'espeak');
soundSetContract('ru', 'espeak');
