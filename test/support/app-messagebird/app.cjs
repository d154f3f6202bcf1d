// An application as a guide to the SDK teaches it: a number, a call, a code, a page that says whether it was the code.
const path = require('node:path');
const express = require('express');
const { engine } = require('express-handlebars');
const messagebird = require('messagebird-2')(process.env.MESSAGEBIRD_API_KEY);

const app = express();
app.engine('handlebars', engine());
app.set('view engine', 'handlebars');
app.set('views', path.join(__dirname, 'views'));
app.use(express.urlencoded({ extended: true }));

app.get('/', (_request, response) => response.render('start'));

app.post('/verify', (request, response) => {
  const { country_code: country, phone_number: written } = request.body;
  const number = country + (written[0] === '0' ? written.substring(1) : written);
  const wish = { type: 'tts', template: 'Your account security code is %token.' };
  messagebird.verify.create(number, wish, (error, verification) => {
    if (error) {
      response.render('start', { error: 'The call could not be placed.' });
    } else {
      response.render('verify', { id: verification.id });
    }
  });
});

app.post('/confirm', (request, response) => {
  const { id, token } = request.body;
  messagebird.verify.verify(id, token, (error) => {
    if (error) {
      response.render('start', { error: 'This was not the code. Please try again.' });
    } else {
      response.render('confirm');
    }
  });
});

const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${server.address().port}\n`);
});
