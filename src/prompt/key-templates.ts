import { ofLanguage } from './locale.ts';

/** The sentences of a call that asks for keys. */
export interface KeyTemplate {
  /** What a call asks before it says a code; `{key}` stands where the key is said. */
  readonly press: string;
  /** Asks for the code on the screen, which proves the number. */
  readonly enter: string;
  /** Said when it was right. */
  readonly confirmed: string;
}

/**
 * By language. Polite, of either gender, and without words that sound like a digit of their language where there is
 * a choice: "to" and "for" are not in the English ones, "ein" is not in the German ones.
 */
const KEY_TEMPLATES: Readonly<Record<string, KeyTemplate>> = {
  ar: {
    press: 'لسماع رمز التحقق، يرجى الضغط على {key}',
    enter: 'لتأكيد رقمك، يرجى إدخال الرمز الظاهر على الشاشة.',
    confirmed: 'شكرًا. تم تأكيد رقمك.',
  },
  bg: {
    press: 'За да чуете своя код, натиснете {key}',
    enter: 'За да потвърдите номера си, моля, наберете кода, показан на екрана.',
    confirmed: 'Благодарим. Вашият номер е потвърден.',
  },
  ca: {
    press: 'Per escoltar el seu codi, premi {key}',
    enter: 'Per confirmar el seu número, marqui el codi que apareix a la pantalla.',
    confirmed: 'Gràcies. El seu número està confirmat.',
  },
  cs: {
    press: 'Chcete-li slyšet svůj kód, stiskněte {key}',
    enter: 'Pro potvrzení čísla prosím zadejte kód zobrazený na obrazovce.',
    confirmed: 'Děkujeme. Vaše číslo je potvrzeno.',
  },
  da: {
    press: 'Vil du høre din kode, så tryk på {key}',
    enter: 'Bekræft venligst dit nummer: Indtast koden, som vises på din skærm.',
    confirmed: 'Tak. Dit nummer er bekræftet.',
  },
  de: {
    press: 'Um Ihren Code zu hören, drücken Sie bitte die {key}',
    enter: 'Bitte bestätigen Sie Ihre Nummer: Tippen Sie den Code, der auf Ihrem Bildschirm steht.',
    confirmed: 'Vielen Dank. Ihre Nummer ist bestätigt.',
  },
  el: {
    press: 'Για να ακούσετε τον κωδικό σας, πατήστε το {key}',
    enter: 'Για να επιβεβαιώσετε τον αριθμό σας, πληκτρολογήστε τον κωδικό που βλέπετε στην οθόνη.',
    confirmed: 'Σας ευχαριστούμε. Ο αριθμός σας επιβεβαιώθηκε.',
  },
  en: {
    press: 'You will hear your code when you press {key}',
    enter: 'Please confirm your number: enter the code that is shown on your screen.',
    confirmed: 'Thank you. Your number is confirmed.',
  },
  es: {
    press: 'Para escuchar su código, pulse {key}',
    enter: 'Para confirmar su número, marque el código que aparece en su pantalla.',
    confirmed: 'Gracias. Su número está confirmado.',
  },
  et: {
    press: 'Oma koodi kuulmiseks vajutage klahvi {key}',
    enter: 'Oma numbri kinnitamiseks sisestage palun ekraanil kuvatud kood.',
    confirmed: 'Täname. Teie number on kinnitatud.',
  },
  fa: {
    press: 'برای شنیدن کد خود، لطفاً کلید {key} را فشار دهید.',
    enter: 'برای تأیید شماره خود، لطفاً کدی را که روی صفحه نمایش می‌بینید وارد کنید.',
    confirmed: 'سپاسگزاریم. شماره شما تأیید شد.',
  },
  fi: {
    press: 'Kuulette koodinne painamalla näppäintä {key}',
    enter: 'Vahvistakaa numeronne näppäilemällä ruudulla näkyvä koodi.',
    confirmed: 'Kiitos. Numeronne on vahvistettu.',
  },
  fr: {
    press: 'Pour écouter votre code, appuyez sur la touche {key}',
    enter: 'Pour confirmer votre numéro, veuillez saisir le code affiché sur votre écran.',
    confirmed: 'Merci. Votre numéro est confirmé.',
  },
  he: {
    press: 'לשמיעת הקוד יש להקיש {key}',
    enter: 'לאימות המספר יש להקיש את הקוד המוצג על המסך.',
    confirmed: 'תודה. המספר שלך אומת.',
  },
  hi: {
    press: 'अपना कोड सुनने के लिए कृपया {key} दबाइए।',
    enter: 'अपने नंबर की पुष्टि के लिए कृपया स्क्रीन पर दिखाया गया कोड दर्ज कीजिए।',
    confirmed: 'धन्यवाद। आपके नंबर की पुष्टि हो गई है।',
  },
  hr: {
    press: 'Kako biste čuli svoj kod, pritisnite {key}',
    enter: 'Kako biste potvrdili svoj broj, upišite kod prikazan na zaslonu.',
    confirmed: 'Hvala. Vaš broj je potvrđen.',
  },
  hu: {
    press: 'Ha hallani szeretné a kódját, kérjük, nyomja meg ezt a gombot: {key}',
    enter: 'Kérjük, erősítse meg a számát: üsse be a képernyőn megjelenő kódot.',
    confirmed: 'Köszönjük. A számát megerősítettük.',
  },
  id: {
    press: 'Untuk mendengar kode Anda, silakan tekan {key}',
    enter: 'Untuk mengonfirmasi nomor Anda, silakan masukkan kode yang tampil di layar.',
    confirmed: 'Terima kasih. Nomor Anda sudah dikonfirmasi.',
  },
  it: {
    press: 'Per ascoltare il suo codice, prema il tasto {key}',
    enter: 'Per confermare il suo numero, digiti il codice che compare sullo schermo.',
    confirmed: 'Grazie. Il suo numero è confermato.',
  },
  ja: {
    press: 'コードをお聞きの方は、{key}を押してください。',
    enter: '番号を確認いたします。画面に表示されているコードを入力してください。',
    confirmed: 'ありがとうございます。番号の確認ができました。',
  },
  ko: {
    press: '인증 번호를 들으시려면 {key}번을 눌러 주세요.',
    enter: '전화번호 확인을 위해 화면에 표시된 인증 번호를 눌러 주세요.',
    confirmed: '감사합니다. 전화번호가 확인되었습니다.',
  },
  lt: {
    press: 'Jei norite išgirsti savo kodą, spauskite {key}',
    enter: 'Patvirtinkite savo numerį: surinkite kodą, rodomą ekrane.',
    confirmed: 'Dėkojame. Jūsų numeris patvirtintas.',
  },
  lv: {
    press: 'Lai noklausītos savu kodu, nospiediet {key}',
    enter: 'Lai apstiprinātu savu numuru, lūdzu, ievadiet ekrānā redzamo kodu.',
    confirmed: 'Paldies. Jūsu numurs ir apstiprināts.',
  },
  ms: {
    press: 'Untuk mendengar kod anda, sila tekan {key}',
    enter: 'Untuk mengesahkan nombor anda, sila masukkan kod yang dipaparkan pada skrin.',
    confirmed: 'Terima kasih. Nombor anda telah disahkan.',
  },
  nb: {
    press: 'Vil du høre koden din, trykk på {key}',
    enter: 'Bekreft nummeret ditt: Tast koden som vises på skjermen.',
    confirmed: 'Takk. Nummeret ditt er bekreftet.',
  },
  nl: {
    press: 'Wilt u uw code horen, druk dan op {key}',
    enter: 'Wilt u uw nummer bevestigen, toets dan de code die op uw scherm staat.',
    confirmed: 'Dank u wel. Uw nummer is bevestigd.',
  },
  pl: {
    press: 'Aby odsłuchać kod, proszę nacisnąć {key}',
    enter: 'Aby potwierdzić numer, proszę wpisać kod widoczny na ekranie.',
    confirmed: 'Dziękujemy. Numer został potwierdzony.',
  },
  pt: {
    press: 'Para ouvir o seu código, pressione a tecla {key}',
    enter: 'Para confirmar o seu número, digite o código que aparece na tela.',
    confirmed: 'Agradecemos. O seu número está confirmado.',
  },
  ro: {
    press: 'Ca să ascultați codul dumneavoastră, apăsați {key}',
    enter: 'Ca să confirmați numărul dumneavoastră, tastați codul afișat pe ecran.',
    confirmed: 'Vă mulțumim. Numărul dumneavoastră este confirmat.',
  },
  ru: {
    press: 'Чтобы услышать ваш код, нажмите {key}',
    enter: 'Чтобы подтвердить ваш номер, наберите код, который показан на экране.',
    confirmed: 'Спасибо. Ваш номер подтверждён.',
  },
  sk: {
    press: 'Ak chcete počuť svoj kód, stlačte {key}',
    enter: 'Ak chcete potvrdiť svoje číslo, zadajte kód zobrazený na obrazovke.',
    confirmed: 'Ďakujeme. Vaše číslo je potvrdené.',
  },
  sl: {
    press: 'Če želite slišati svojo kodo, pritisnite {key}',
    enter: 'Če želite potrditi svojo številko, vtipkajte kodo z zaslona.',
    confirmed: 'Hvala. Vaša številka je potrjena.',
  },
  sv: {
    press: 'Vill du höra din kod, tryck på {key}',
    enter: 'Bekräfta ditt nummer: Slå koden som visas på din skärm.',
    confirmed: 'Tack. Ditt nummer är bekräftat.',
  },
  tr: {
    press: 'Kodu dinlemek için lütfen {key} tuşuna basınız.',
    enter: 'Numaranızı doğrulamak için lütfen ekranda görünen kodu tuşlayınız.',
    confirmed: 'Teşekkür ederiz. Numaranız doğrulandı.',
  },
  uk: {
    press: 'Щоб почути ваш код, натисніть {key}',
    enter: 'Щоб підтвердити ваш номер, наберіть код, показаний на екрані.',
    confirmed: 'Дякуємо. Ваш номер підтверджено.',
  },
  vi: {
    press: 'Để nghe mã của quý khách, xin nhấn phím {key}',
    enter: 'Để xác nhận số điện thoại, xin nhập mã hiển thị trên màn hình.',
    confirmed: 'Xin cảm ơn quý khách. Số điện thoại đã được xác nhận.',
  },
  zh: {
    press: '如需收听验证码，请按{key}',
    enter: '请输入屏幕上的验证码，确认您的号码。',
    confirmed: '谢谢。您的号码确认完成。',
  },
};

/** The built-in sentences of a locale's language; undefined where there are none. */
export function keyTemplateFor(locale: string): KeyTemplate | undefined {
  return ofLanguage(KEY_TEMPLATES, locale);
}
