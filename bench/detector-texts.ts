/** Something to be said, in its language (BCP 47). */
export interface Line {
  readonly locale: string;
  readonly text: string;
}

/** Lines for the figures and others for choosing thresholds: neither set holds one of the other. */
export interface Lines {
  readonly table: readonly Line[];
  readonly tuning: readonly Line[];
}

/** Written as `locale|text`. */
function lines(table: readonly string[], tuning: readonly string[]): Lines {
  const parsed = (list: readonly string[]): Line[] =>
    list.map((line) => {
      const [locale = '', text = ''] = line.split('|');
      return { locale, text };
    });
  return { table: parsed(table), tuning: parsed(tuning) };
}

export const HELLO = lines(
  [
    'en-US|Hello?',
    'it|Pronto?',
    'fr|Allô ?',
    'de|Ja, bitte?',
    'es|¿Diga?',
    'ru|Алло?',
    'en-GB|Yes?',
    'pl|Halo?',
  ],
  ['en-GB|Hello?', 'en-US|Hi.', 'de|Hallo?', 'es|¿Sí?', 'pt-BR|Alô?', 'fr|Oui ?', 'nl|Hallo?', 'ru|Да?'],
);

export const NAME = lines(
  ['en-US|Smith speaking.', 'de|Schneider, guten Tag.', 'fr|Bonjour, Claire Martin.', 'nl|Met Jan de Vries.'],
  ['en-GB|Peter Brown.', 'de|Müller.', 'it|Pronto, sono Marco.', 'en-US|Good morning, Karen here.'],
);

export const QUESTION = lines(
  [
    'en-US|Hello, who is this?',
    'es|Hola, ¿quién es?',
    'de|Hallo, wer ist da?',
    'fr|Allô, qui est à l’appareil ?',
  ],
  [
    'en-GB|Hello, who is calling, please?',
    'it|Pronto, chi parla?',
    'pt-BR|Alô, quem fala?',
    'en-US|Yes, what is it?',
  ],
);

/** Of a person who says more than one word before waiting. */
export const SENTENCE = lines(
  [
    'en-US|Good afternoon, Miller and Sons, this is Susan, how can I help you?',
    'de|Guten Tag, Sie sprechen mit Frau Weber, was kann ich für Sie tun?',
    'fr|Bonjour, ici le cabinet dentaire, que puis-je faire pour vous ?',
    'en-GB|Hello, I am in the car just now, who is that?',
  ],
  [
    'en-GB|Good morning, the Red Lion, Tom speaking, what can I do for you?',
    'es|Buenos días, le atiende Laura, ¿en qué puedo ayudarle?',
    'en-US|Hello, this is Doctor Green’s office, please hold on a second.',
    'it|Buongiorno, studio Bianchi, mi dica pure.',
  ],
);

/** Of a person who talks like a machine. */
export const LONG_SENTENCE = lines(
  [
    'en-US|Thank you for calling the Lake View Garden Centre, this is Kevin in sales speaking, before we start, may I ask who is calling and what it is about, please?',
    'de|Einen wunderschönen guten Tag, Sie sind verbunden mit der Arztpraxis Doktor Hoffmann in Neustadt, mein Name ist Frau Lehmann, womit kann ich Ihnen weiterhelfen?',
    'en-GB|Hello? Hang on, let me just turn this down, I can hardly hear you, I am standing right next to the washing machine. Right, who is it?',
    'fr|Allô, oui bonjour, excusez-moi, j’étais en train de parler avec quelqu’un, je vous écoute maintenant, c’est à quel sujet ?',
  ],
  [
    'en-GB|Good afternoon and welcome to Parker and Partners, you are speaking with Rebecca at the front desk, which of our departments would you like me to connect you to?',
    'es|Muy buenas tardes, ha llamado usted al restaurante La Fuente, le atiende Miguel, ¿desea hacer una reserva para hoy o para otro día?',
    'en-US|Hey, sorry, wait a moment, I am just getting out of the car and my hands are full. Okay, now I can talk. Who is this?',
    'it|Buongiorno, qui è la segreteria dello studio legale Rossi e associati, sono Francesca, con chi ho il piacere di parlare?',
  ],
);

/** What a person says who waits in vain for an answer. */
export const INSISTING = lines(
  ['en-US|Who is there?', 'de|Wer ist denn da?', 'fr|Il y a quelqu’un ?', 'es|No le oigo.'],
  ['en-GB|Is anybody there?', 'it|Chi è?', 'pt-BR|Quem está falando?', 'en-US|I cannot hear you.'],
);

export const SHORT_GREETING = lines(
  [
    'en-US|Hi, this is Anna. Leave a message.',
    'de|Bitte sprechen Sie nach dem Ton.',
    'en-GB|Please speak after the tone.',
    'fr|Laissez-moi un message, merci.',
  ],
  [
    'en-GB|It is Mike. You know what to do.',
    'es|Deje su mensaje después de la señal.',
    'en-US|Leave your name and number.',
    'it|Lasciate un messaggio dopo il segnale.',
  ],
);

export const GREETING = lines(
  [
    'en-US|Hi, you have reached the voicemail of Robert Jones. I cannot take your call right now. Please leave your name and number after the tone, and I will call you back as soon as possible.',
    'de|Guten Tag. Sie sind verbunden mit dem Anrufbeantworter der Familie Becker. Wir sind zurzeit nicht zu Hause. Bitte hinterlassen Sie eine Nachricht nach dem Signalton.',
    'fr|Bonjour, vous êtes bien sur la messagerie de Julie. Je ne suis pas disponible pour le moment, laissez-moi un message après le bip sonore.',
    'es|Hola, este es el buzón de voz de Carmen. Ahora no puedo atender su llamada, deje un mensaje después de la señal.',
    'ru|Здравствуйте, вы позвонили Ивану. Сейчас я не могу ответить, оставьте сообщение после сигнала.',
    'pl|Dzień dobry, tu poczta głosowa. Proszę zostawić wiadomość po usłyszeniu sygnału.',
  ],
  [
    'en-GB|Hello, this is the answering machine of Helen and David. We are out at the moment, but if you leave a message after the beep we will get back to you.',
    'it|Salve, avete chiamato la segreteria telefonica di Paolo. In questo momento non posso rispondere, lasciate un messaggio dopo il segnale acustico.',
    'pt-BR|Olá, você ligou para a caixa postal da Fernanda. Deixe a sua mensagem após o sinal que eu retorno assim que puder.',
    'en-US|Your call has been forwarded to an automatic voice message system. At the tone, please record your message. When you have finished recording, you may hang up.',
    'nl|Goedendag, u spreekt met de voicemail van Pieter. Ik kan nu even niet opnemen, spreek een bericht in na de toon.',
    'de|Hallo, hier ist die Mailbox von Sabine. Leider kann ich gerade nicht ans Telefon gehen. Sprich mir doch etwas auf Band.',
  ],
);

export const CARRIER = lines(
  [
    'en-US|The person you are calling is not available at the moment. Please try again later.',
    'de|Der gewünschte Gesprächspartner ist zurzeit nicht erreichbar. Bitte versuchen Sie es später noch einmal.',
    'fr|Le correspondant que vous demandez n’est pas joignable actuellement. Veuillez rappeler ultérieurement.',
    'en-GB|The number you have dialled has not been recognised. Please check and try again.',
  ],
  [
    'en-GB|The mobile you are calling is switched off. Please try later.',
    'es|El número al que llama está apagado o fuera de cobertura en este momento.',
    'en-US|We are sorry. The number you have reached is not in service. Please check the number and dial again.',
    'it|Il cliente da lei chiamato non è al momento raggiungibile. La preghiamo di riprovare più tardi.',
  ],
);

/** How a greeting begins that pauses after its first words. */
export const OPENING = lines(
  ['en-US|Hi.', 'de|Hallo.', 'fr|Bonjour.', 'en-GB|Good day.'],
  ['en-GB|Hello.', 'it|Salve.', 'es|Hola.', 'en-US|Hey there.'],
);

/** Out of a loudspeaker in the room. */
export const TELEVISION = lines(
  [
    'en-US|The storm reached the coast this morning, and thousands of homes are without power. Officials ask everybody to stay inside until the wind has calmed down, which may take until the weekend.',
    'de|Und nun zum Wetter. Im Norden bleibt es wechselhaft mit Schauern, im Süden scheint zeitweise die Sonne, und die Temperaturen steigen auf achtzehn bis dreiundzwanzig Grad.',
  ],
  [
    'en-GB|In the second half the home side came back strongly, and it was only a matter of time before they scored again. The manager said after the match that he was proud of every one of them.',
    'fr|Le gouvernement a présenté ce matin son nouveau plan, qui doit être discuté la semaine prochaine à l’Assemblée, et les syndicats ont déjà annoncé une journée de grève.',
  ],
);
