import { ReplyError } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { guarded, unavailable } from '../../../src/redis/unavailable.ts';

const SHA = 'd5249e8052c3f4c34bc1f4cee50869e173d4e4f4';

describe('an error of Redis', () => {
  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    `OOM command not allowed when used memory > 'maxmemory'. script: ${SHA}, on @user_script:1.`,
    `ERR user_script:1: OOM command not allowed when used memory > 'maxmemory'. script: ${SHA}, on @user_script:1.`,
    `READONLY You can't write against a read only replica. script: ${SHA}, on @user_script:1.`,
    'LOADING Redis is loading the dataset in memory',
    'CLUSTERDOWN The cluster is down',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
    'NOREPLICAS Not enough good replicas to write.',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk.',
    'UNKILLABLE Sorry the script already executed write commands against the dataset.',
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
    'NOAUTH Authentication required.',
    'WRONGPASS invalid username-password pair or user is disabled.',
    `ERR The user executing the script can't run this command or subcommand script: ${SHA}, on @user_script:1.`,
    'ERR max number of clients reached',
  ])('is an outage: %s', (text) => {
    const cause = new ReplyError(text);
    const error = unavailable(cause);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'store_unavailable', status: 503, retryAfterSeconds: 2, cause });
  });

  it.each([
    `ERR Unknown Redis command called from script script: ${SHA}, on @user_script:1.`,
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    "CROSSSLOT Keys in request don't hash to the same slot",
    "ERR wrong number of arguments for 'set' command",
    'BUSYGROUP Consumer Group name already exists',
    'BUSYKEY Target key name already exists.',
    'ERR value is not an integer or out of range',
    'NOSCRIPT No matching script. Please use EVAL.',
  ])('is a bug: %s', (text) => {
    const error = new ReplyError(text);
    expect(unavailable(error)).toBe(error);
  });

  it('of a transaction is what its commands met', () => {
    const refused = (text: string) =>
      Object.assign(new ReplyError('EXECABORT Transaction discarded because of previous errors.'), {
        previousErrors: [new ReplyError(text)],
      });
    expect(unavailable(refused('OOM command not allowed'))).toMatchObject({ code: 'store_unavailable' });
    expect(unavailable(refused('ERR unknown command'))).toBeInstanceOf(ReplyError);
  });
});

describe('another error', () => {
  it('of the system is an outage, one of Node is a bug', () => {
    const withCode = (code: string) => Object.assign(new Error('no'), { code });
    for (const code of ['ECONNREFUSED', 'EAI_AGAIN', 'ETIMEDOUT', 'EPIPE']) {
      expect(unavailable(withCode(code))).toMatchObject({ code: 'store_unavailable' });
    }
    for (const code of ['ERR_INVALID_ARG_TYPE', 'SQLITE_FULL']) {
      expect(unavailable(withCode(code))).toMatchObject({ code });
    }
  });

  it('stays what it is', async () => {
    const bug = new TypeError('undefined is not a function');
    await expect(guarded(() => Promise.reject(bug))).rejects.toBe(bug);
    const known = new AppError('not_found');
    await expect(guarded(() => Promise.reject(known))).rejects.toBe(known);
    await expect(guarded(async () => 'done')).resolves.toBe('done');
  });
});
