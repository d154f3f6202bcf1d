import formbody from '@fastify/formbody';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Config } from '../config.ts';
import { requireScope } from './auth.ts';
import type { ErrorDialect } from './error-dialect.ts';
import type { MessageBirdDependencies } from './messagebird.ts';
import { messageBirdRoutes } from './messagebird.ts';
import { messageBirdErrors } from './messagebird-errors.ts';
import type { Restcomm2faDependencies } from './restcomm-2fa.ts';
import { restcomm2faRoutes } from './restcomm-2fa.ts';
import { restcomm2faErrors } from './restcomm-2fa-errors.ts';
import type { RestcommCallsDependencies } from './restcomm-calls.ts';
import { restcommCallsRoutes } from './restcomm-calls.ts';
import { restcommCallsErrors } from './restcomm-calls-errors.ts';
import type { Api } from './server.ts';

export type DropInDependencies = MessageBirdDependencies &
  Restcomm2faDependencies &
  RestcommCallsDependencies & { readonly config: Config['api'] };

/** APIs that come from elsewhere, each with credentials of its own, where they are switched on. */
export async function dropInRoutes(api: Api, dependencies: DropInDependencies): Promise<void> {
  const { config } = dependencies;
  if (config.messageBird) {
    await api.register(async (scope) => {
      requireScope(scope, 'verifications', { credentials: 'accesskey' });
      await scope.register(formbody);
      messageBirdRoutes(scope.withTypeProvider<ZodTypeProvider>(), dependencies);
    });
  }
  if (config.restcomm2fa) {
    await api.register(async (scope) => {
      requireScope(scope, 'verifications', { credentials: 'basic' });
      restcomm2faRoutes(scope.withTypeProvider<ZodTypeProvider>(), dependencies);
    });
  }
  if (config.restcommCalls) {
    await api.register(async (scope) => {
      requireScope(scope, 'calls', { credentials: 'basic' });
      await restcommCallsRoutes(scope.withTypeProvider<ZodTypeProvider>(), dependencies);
    });
  }
}

/** How they tell errors. One that is switched off has no paths, and so no errors of its own. */
export function dropInErrors(config: Config['api']): readonly ErrorDialect[] {
  return [
    ...(config.messageBird ? [messageBirdErrors] : []),
    ...(config.restcomm2fa ? [restcomm2faErrors] : []),
    ...(config.restcommCalls ? [restcommCallsErrors] : []),
  ];
}
