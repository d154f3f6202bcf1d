/**
 * The commands of the article "Two-factor authentication" of Restcomm, character by character: also the space before
 * the user name, and the quotation mark that the end of both lacks, which a shell needs.
 */
export const SEND_COMMAND = String.raw`curl -X POST \
  https://{your_organization}.restcomm.com/2fa/send \
--user  ' {your_account_SID}:{your_account_token}' \
  -H 'Cache-Control: no-cache' \
  -H 'Content-Type: application/json' \
  -d '{
    "service" : "Restcomm",
    "from" : "+13216549878",
    "to" : "+13216549879",
    "body": "Your verification code is: {code}"
}`;

export const VERIFY_COMMAND = String.raw`curl -X POST \
  https://{your_company}.restcomm.com/2fa/verify \
  --user  ' {your_account_SID}:{your_account_token}' \
  -H 'Cache-Control: no-cache' \
  -H 'Content-Type: application/json' \
  -d '{
    "service" : "Restcomm",
    "number" : "+13216549879",
    "code": "294228"
}`;

/** The code in the second of them. */
export const WRITTEN_CODE = '294228';

/** The command against our own server, with credentials of ours, as a shell takes it. */
export function againstUs(command: string, url: string, clientId: string, key: string): string {
  return `${command
    .replace(/https:\/\/\{[a-z_]+\}\.restcomm\.com/, url)
    .replace('{your_account_SID}', clientId)
    .replace('{your_account_token}', key)}'`;
}
