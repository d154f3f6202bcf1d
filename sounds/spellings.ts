/**
 * The NATO alphabet as the voices must read it to say it like ICAO does: they read foreign words by the rules of
 * their own language, and "Mike" becomes "mi-ke".
 */
export const NATO_SPELLINGS: Readonly<Record<string, string>> = {
  de:
    'alfa bravo tscharli delta ekko foxtrott golf hotell india dschuliett kilo lima maik ' +
    'nowember oskar papa kebeck romeo sierra tango juniform viktor wiski x-ray jänki sulu',
  'en-GB':
    'alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike ' +
    'november oscar papa kebbeck romeo sierra tango uniform victor whiskey x-ray yankee zulu',
  'en-US':
    'alfa bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike ' +
    'november oscar papa kebbeck romeo sierra tango uniform victor whiskey x-ray yankee zulu',
  es:
    'alfa bravo charli delta eco fóxtrot golf jotel india yúliet kilo lima maik ' +
    'novémber óscar papá quebec romeo sierra tango yúniform víctor uiski éks-rei yanqui zulú',
  fr:
    'alfa bravo tcharli delta éco foxtrotte golf hotel india djouliette kilo lima maïque ' +
    'novembère oscar papa québec roméo sierra tango iouniforme victor ouiski ixe-ré yanki zoulou',
  it:
    'alfa bravo ciarli delta eco fòxtrot golf otèl india giùliet kilo lima maic ' +
    'novèmber òscar papà chebèc ròmeo siera tango iùniform vìctor uìski ìcs-rei iènchi zùlu',
  'pt-BR':
    'alfa bravo tchárli delta éco fóxtroti golfe rotel índia djúliete quilo lima maique ' +
    'novêmber óscar papá quebéque rômeo siérra tango iúniform víctor uísqui écs-rei iânqui zulu',
};
