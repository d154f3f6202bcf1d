// Loaded before a program that uses an SDK: the name that the SDK knows leads to a server of the test, as an entry in
// a name server and a port of one's own would. The SDK is as it was published, and checks the certificate of the name.
const tls = require('node:tls');

const NAME = 'rest.messagebird.com';
const port = Number(process.env.MESSAGEBIRD_PORT);
const { connect } = tls;

tls.connect = (options, ...rest) =>
  options.host === NAME && options.port === 443
    ? connect({ ...options, host: '127.0.0.1', port, servername: NAME }, ...rest)
    : connect(options, ...rest);
