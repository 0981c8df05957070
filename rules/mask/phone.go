package mask

import (
	"bytes"
	"strings"
)

// countryCodes are calling codes with the least and most digits of a number after
// them. A code that is not named, of three digits, has 7 to 10.
//
// Source: ITU-T E.164 and the national numbering plans in its Operational
// Bulletin.
const countryCodes = " 1:1010 7:1010 20:0810 27:0909 30:1010 31:0909 32:0809 33:0909 34:0909 36:0809 39:0611 40:0909 41:0909 43:0713 44:0910 " +
	"45:0808 46:0709 47:0808 48:0909 49:0711 51:0809 52:1010 53:0608 54:1011 55:1011 56:0909 57:0810 58:1010 60:0810 61:0909 62:0812 " +
	"63:0810 64:0810 65:0808 66:0809 81:0910 82:0810 84:0810 86:0911 90:1010 91:1010 92:0910 93:0909 94:0909 95:0710 98:1010 " +
	"351:0909 352:0611 358:0611 380:0909 420:0909 421:0909 886:0809 "

// threeDigits are the first two digits of the calling codes of three.
const threeDigits = " 21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99 "

// plan returns the length of the country code at the start of digits, and the
// least and most digits after it; 0 if there is none.
func plan(digits []byte) (code, least, most int) {
	for n := 1; n <= 3 && n <= len(digits); n++ {
		if i := strings.Index(countryCodes, " "+string(digits[:n])+":"); i >= 0 {
			of := countryCodes[i+n+2:]
			return n, int(of[0]-'0')*10 + int(of[1]-'0'), int(of[2]-'0')*10 + int(of[3]-'0')
		}
	}
	if len(digits) >= 3 && strings.Contains(threeDigits, " "+string(digits[:2])+" ") {
		return 3, 7, 10
	}
	return 0, 0, 0
}

// internationalPhone finds + and a number that has the length of its country.
func internationalPhone(text, _ []byte, from int) (start, end int) {
	for i := from; ; i++ {
		n := bytes.IndexByte(text[i:], '+')
		if n < 0 {
			return -1, -1
		}
		i += n
		if before := at(text, i-1); alnum(before) || before == '+' || before == '/' {
			continue
		}
		if end = internationalEnd(text, i+1); end > 0 {
			return i, end
		}
	}
}

// internationalEnd returns the end of the number at text[i], or -1.
func internationalEnd(text []byte, i int) int {
	const most = 15
	if first := at(text, i); first < '1' || first > '9' {
		return -1
	}
	var digits [most]byte
	var ends [most + 1]int // where a run of digits ends, by how many there are
	n := 0
	for i < len(text) && n <= most {
		switch c := text[i]; {
		case digit(c):
			if n == most {
				return -1
			}
			digits[n] = c
			n++
			if !digit(at(text, i+1)) {
				ends[n] = i + 1
			}
			i++
			continue
		case c == '(' && at(text, i+1) == '0' && at(text, i+2) == ')': // the trunk prefix, not dialled
			i += 3
			if at(text, i) == ' ' {
				i++
			}
			continue
		case strings.IndexByte(" -./()", c) >= 0 && (digit(at(text, i+1)) || strings.IndexByte(" (", at(text, i+1)) >= 0 && at(text, i+1) != c):
			i++
			continue
		}
		break
	}
	if i < len(text) && (letter(text[i]) || text[i] == '_') && n > 0 && ends[n] == i {
		ends[n] = 0
	}
	code, least, longest := plan(digits[:n])
	if code == 0 {
		return -1
	}
	if digits[0] == '1' && (n < 5 || digits[1] < '2' || digits[4] < '2') {
		return -1
	}
	for k := min(n, code+longest); k >= code+least; k-- {
		if ends[k] > 0 {
			return ends[k]
		}
	}
	return -1
}

// nationalPlan reports how many of the groups, from the first on, are a number as
// it is written in a country, 0 if none.
type nationalPlan func(text []byte, groups []group) int

// nationalPhone finds numbers without a country code.
func nationalPhone(plan nationalPlan) finder {
	return func(text, _ []byte, from int) (start, end int) {
		for i := from; ; {
			if i = digitsFrom(text, i, 2); i < 0 {
				return -1, -1
			}
			run := run(text, i, len(text), digit)
			start, begin := i, i
			if at(text, i-1) == '(' {
				start--
			} else if before := at(text, i-2); at(text, i-1) == '-' || at(text, i-1) == ' ' || at(text, i-1) == '.' {
				if before == '1' && !alnum(at(text, i-3)) && at(text, i-3) != '.' && at(text, i-3) != '-' && at(text, i-3) != '+' {
					start, begin = i-2, i-2 // the 1 of North America
				} else if digit(before) || at(text, i-1) != ' ' && alnum(before) {
					i = run
					continue
				}
			}
			if before := at(text, start-1); alnum(before) || strings.IndexByte("_+.:/=", before) >= 0 && before != 0 && before != ':' && before != '=' {
				i = run
				continue
			}
			var space [8]group
			groups := phoneGroups(space[:0], text, begin)
			if n := plan(text, groups); n > 0 {
				if end = groups[n-1].end; !alnum(at(text, end)) && at(text, end) != '_' && (strings.IndexByte("-.:/", at(text, end)) < 0 || !digit(at(text, end+1))) {
					return max(from, start), end
				}
			}
			i = run
		}
	}
}

// phoneGroups is groupsFrom for up to 12 digits, with parentheses.
func phoneGroups(groups []group, text []byte, i int) []group {
	const most = 12
	digits := 0
	for len(groups) < cap(groups) {
		end := run(text, i, most+1, digit)
		if digits += end - i; end == i || digits > most {
			return groups
		}
		groups = append(groups, group{i, end})
		i = end
		if at(text, i) == ')' {
			i++
		}
		if strings.IndexByte(" -./", at(text, i)) >= 0 && i < len(text) {
			i++
		}
		if at(text, i) == '(' {
			i++
		}
		if i == end {
			return groups
		}
	}
	return groups
}

// lengths reports whether the first groups have these lengths.
func lengths(groups []group, want ...int) bool {
	if len(groups) < len(want) {
		return false
	}
	for i, n := range want {
		if groups[i].len() != n {
			return false
		}
	}
	return true
}

// northAmerican is NXX-NXX-XXXX, N from 2 to 9, with or without 1 before it.
//
// Source: North American Numbering Plan Administrator, "About the NANP".
func northAmerican(text []byte, groups []group) int {
	n := 0
	if lengths(groups, 1) && text[groups[0].start] == '1' {
		n = 1
	}
	rest := groups[n:]
	if !lengths(rest, 3, 3, 4) {
		return 0
	}
	for _, g := range rest[:2] {
		if text[g.start] < '2' || text[g.start+1] == '1' && text[g.start+2] == '1' {
			return 0
		}
	}
	return n + 3
}

// british is 0 and 9 or 10 digits, with the spaces that are usual.
//
// Source: Ofcom, National Telephone Numbering Plan.
func british(text []byte, groups []group) int {
	if len(groups) == 0 || text[groups[0].start] != '0' {
		return 0
	}
	second := at(text, groups[0].start+1)
	switch {
	case lengths(groups, 3, 4, 4) && second == '2':
		return 3
	case lengths(groups, 4, 3, 4) && (second == '1' || second == '3' || second == '8'):
		return 3
	case lengths(groups, 5, 3, 3) && (second == '1' || second == '7'):
		return 3
	case lengths(groups, 5, 6) && (second == '1' || second == '7'):
		return 2
	case lengths(groups, 11) && second == '7':
		return 1
	}
	return 0
}

// german is an area code that begins with 0, and a number.
//
// Source: Bundesnetzagentur, structure and design of the numbering range for
// telephone services.
func german(text []byte, groups []group) int {
	if len(groups) == 0 || text[groups[0].start] != '0' || at(text, groups[0].start+1) == '0' {
		return 0
	}
	first := groups[0].len()
	mobile := at(text, groups[0].start+1) == '1' && strings.IndexByte("567", at(text, groups[0].start+2)) >= 0
	switch {
	case mobile && lengths(groups, 11), mobile && lengths(groups, 12):
		return 1
	case first < 3 || first > 5 || at(text, groups[0].end) == '.':
		return 0
	}
	digits := 0
	for n, g := range groups[1:] {
		if g.len() < 2 || text[g.end-g.len()-1] == '.' {
			return 0
		}
		if digits += g.len(); digits >= 6 && digits <= 8 && (len(groups) == n+2 || groups[n+2].len() > 4 || digits+groups[n+2].len() > 8) {
			return n + 2
		}
	}
	return 0
}

// french is 0, a digit from 1 to 9, and eight more in pairs.
//
// Source: Arcep, plan national de numérotation.
func french(text []byte, groups []group) int {
	if len(groups) == 0 || text[groups[0].start] != '0' || at(text, groups[0].start+1) == '0' {
		return 0
	}
	switch {
	case lengths(groups, 2, 2, 2, 2, 2):
		for _, g := range groups[1:5] {
			if text[g.start-1] != at(text, groups[0].end) {
				return 0
			}
		}
		return 5
	case lengths(groups, 10):
		return 1
	}
	return 0
}
