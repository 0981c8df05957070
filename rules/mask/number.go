package mask

import "strings"

// digitsFrom returns the first position at or after from where width digits stand
// together, at the start of a run of digits, or -1. It looks at one in width bytes.
func digitsFrom(text []byte, from, width int) int {
	for i := from + width - 1; i < len(text); i += width {
		if !digit(text[i]) {
			continue
		}
		start := i
		for start > from && digit(text[start-1]) {
			start--
		}
		end := run(text, i, len(text), digit)
		if end-start >= width {
			return start
		}
		i = end
	}
	return -1
}

// group is a run of digits of a number that is written in several.
type group struct{ start, end int }

func (g group) len() int { return g.end - g.start }

// groupsFrom appends the runs of digits from i on that one separator parts, until
// there are most digits.
func groupsFrom(groups []group, text []byte, i, most int, separators string) []group {
	digits := 0
	for {
		end := run(text, i, most+1, digit)
		if digits += end - i; end == i || digits > most {
			return groups
		}
		groups = append(groups, group{i, end})
		if i = end; strings.IndexByte(separators, at(text, i)) < 0 || i >= len(text) {
			return groups
		}
		i++
	}
}

const maxCard = 19

// card finds card numbers: 13 to 19 digits together, or in the groups that are
// printed on cards, with spaces or hyphens.
func card(text, _ []byte, from int) (start, end int) {
	for i := from; ; {
		if i = digitsFrom(text, i, 4); i < 0 {
			return -1, -1
		}
		run := run(text, i, len(text), digit)
		if before := at(text, i-1); alnum(before) || before == '_' || (before == '.' || before == '-') && alnum(at(text, i-2)) {
			i = run
			continue
		}
		var space [8]group
		var groups []group
		if run-i >= 13 {
			groups = append(space[:0], group{i, run})
		} else if groups = groupsFrom(space[:0], text, i, maxCard, " -"); len(groups) > 1 {
			groups = printed(text, groups)
		}
		if len(groups) > 0 {
			start, end = groups[0].start, groups[len(groups)-1].end
			after := at(text, end)
			if !alnum(after) && after != '_' && (after != '.' && after != '-' || !alnum(at(text, end+1))) && isCard(text, groups) {
				return start, end
			}
		}
		i = run
	}
}

// printed returns the groups of a number as it is printed on a card, with the same
// separator between all, or nil.
func printed(text []byte, groups []group) []group {
	separator := text[groups[0].end]
	n := 1
	for n < len(groups) && text[groups[n-1].end] == separator {
		n++
	}
	groups = groups[:n]
	is := func(lengths ...int) bool {
		if len(groups) < len(lengths) {
			return false
		}
		for i, n := range lengths {
			if groups[i].len() != n {
				return false
			}
		}
		return true
	}
	switch {
	case is(4, 4, 4, 4, 3):
		return groups[:5]
	case is(4, 4, 4, 4):
		return groups[:4]
	case is(4, 6, 5), is(4, 6, 4):
		return groups[:3]
	}
	return nil
}

// isCard reports whether digits are those of a card: of a scheme, of the length
// that it uses, with a right check digit.
//
// Source: ISO/IEC 7812-1 (Luhn's formula); the ranges of the schemes.
func isCard(text []byte, groups []group) bool {
	var number [maxCard]byte
	n := 0
	for _, g := range groups {
		if n+g.len() > maxCard {
			return false
		}
		n += copy(number[n:], text[g.start:g.end])
	}
	first := 0 // four digits
	for _, c := range number[:4] {
		first = first*10 + int(c-'0')
	}
	between := func(low, high int) bool { return low <= first && first <= high }
	ok := false
	switch {
	case between(3400, 3499), between(3700, 3799): // American Express
		ok = n == 15
	case between(3000, 3059), between(3600, 3699), between(3800, 3999): // Diners Club
		ok = n == 14 || n == 16
	case between(4000, 4999): // Visa
		ok = n == 13 || n == 16 || n == 19
	case between(5100, 5599), between(2221, 2720): // Mastercard
		ok = n == 16
	case between(3528, 3589), between(6011, 6011), between(6440, 6599), between(6200, 6299): // JCB, Discover, UnionPay
		ok = n >= 16
	case between(5000, 5099), between(5600, 5899), between(6304, 6304), between(6759, 6763): // Maestro
		ok = n >= 13
	}
	if !ok {
		return false
	}
	sum := 0
	for i, c := range number[:n] {
		d := int(c - '0')
		if (n-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// ibanLengths are countries with the length of their IBANs.
//
// Source: SWIFT, IBAN Registry.
const ibanLengths = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 " +
	"FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 " +
	"LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 " +
	"SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 "

func iban(text, _ []byte, from int) (start, end int) {
	// One of the two check digits has an even distance from from.
	for i := from + 2; i < len(text); i += 2 {
		if !digit(text[i]) {
			continue
		}
		for start = max(from, i-3); start <= i-2; start++ {
			if capital(text[start]) && capital(text[start+1]) && digit(text[start+2]) && digit(at(text, start+3)) &&
				!alnum(at(text, start-1)) && at(text, start-1) != '_' {
				if end = ibanEnd(text, start); end > 0 {
					return start, end
				}
			}
		}
	}
	return -1, -1
}

// ibanEnd returns the end of the IBAN that starts at start, or -1.
func ibanEnd(text []byte, start int) int {
	n := strings.Index(ibanLengths, string(text[start:start+2]))
	if n < 0 || n%5 != 0 {
		return -1
	}
	length := int(ibanLengths[n+2]-'0')*10 + int(ibanLengths[n+3]-'0')
	var number [34]byte
	n = 0
	spaced := at(text, start+4) == ' '
	i := start
	for ; n < length && i < len(text); i++ {
		c := text[i]
		if spaced && c == ' ' && n%4 == 0 && n > 0 && text[i-1] != ' ' {
			continue
		}
		if !digit(c) && !capital(c) {
			return -1
		}
		number[n] = c
		n++
	}
	if n < length || alnum(at(text, i)) || at(text, i) == '_' {
		return -1
	}
	// ISO 7064 MOD 97-10, with the first four characters at the end.
	rest := 0
	for k := range length {
		c := number[(k+4)%length]
		if digit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	if check := string(number[2:4]); rest != 1 || check < "02" || check > "98" {
		return -1
	}
	return i
}
