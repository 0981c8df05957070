package pattern

import "regexp/syntax"

// maxLiterals bounds the texts to search for instead of trying a pattern.
const maxLiterals = 8

// required returns texts of which each match of re holds at least one, or nil if
// there are none, or too many to be worth a search.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			return nil
		}
		return []string{string(re.Rune)}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min >= 1 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if this := required(sub); better(this, best) {
				best = this
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			this := required(sub)
			if this == nil || len(all)+len(this) > maxLiterals {
				return nil
			}
			all = append(all, this...)
		}
		return all
	}
	return nil
}

// better reports whether a search for the texts a rules out more than one for b:
// the shortest of them is longer, or they are fewer.
func better(a, b []string) bool {
	if a == nil || b == nil {
		return a != nil
	}
	la, lb := shortest(a), shortest(b)
	return la > lb || la == lb && len(a) < len(b)
}

func shortest(list []string) int {
	n := len(list[0])
	for _, s := range list {
		n = min(n, len(s))
	}
	return n
}
