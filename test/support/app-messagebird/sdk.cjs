// Does with an SDK what its parent asks for, and tells what the callback got.
const [, , name, key] = process.argv;
const clients = {
  'messagebird-2': () => require('messagebird-2')(key),
  'messagebird-4': () => require('messagebird-4').initClient(key),
};
const { verify } = clients[name]();

process.on('message', ({ id, method, args }) => {
  verify[method](...args, (error, response) => {
    const told = error && { message: error.message, statusCode: error.statusCode, errors: error.errors };
    process.send({ id, error: told ?? null, response: response ?? null });
  });
});
