package mask

import "bytes"

// awsAccessKey finds access key ids: AKIA of users, ASIA of sessions, and 16 more
// capitals and digits.
//
// Source: IAM User Guide, "IAM identifiers", unique ID prefixes.
func awsAccessKey(text, _ []byte, from int) (start, end int) {
	const length = 20
	for i := from; ; i++ {
		n := bytes.IndexByte(text[i:], 'A')
		if n < 0 || i+n+length > len(text) {
			return -1, -1
		}
		if i += n; !accessKeyPrefix(text[i:i+4]) || alnum(at(text, i-1)) {
			continue
		}
		end = run(text, i, length+1, func(c byte) bool { return capital(c) || digit(c) })
		if end-i == length && !alnum(at(text, end)) {
			return i, end
		}
	}
}

func accessKeyPrefix(s []byte) bool {
	switch string(s) {
	case "AKIA", "ASIA", "ABIA", "ACCA":
		return true
	}
	return false
}

const secretLength = 40

// secretAt reports whether a secret access key starts at text[i]: 40 characters of
// base64, not of a hash in hexadecimal.
func secretAt(text []byte, i int) bool {
	if base64Char(at(text, i-1)) {
		return false
	}
	end := run(text, i, secretLength+1, base64Char)
	if end-i != secretLength || at(text, end) == '=' {
		return false
	}
	var low, high, other, beyond bool
	for _, c := range text[i:end] {
		low, high, other = low || lower(c), high || capital(c), other || !letter(c)
		beyond = beyond || !hex(c)
	}
	return low && high && other && beyond
}

func base64Char(c byte) bool { return alnum(c) || c == '/' || c == '+' }

// namedSecret finds secret access keys after the name of a setting that holds word:
// aws_secret_access_key = …, SecretAccessKey: …
func namedSecret(word string) finder {
	return func(text, _ []byte, from int) (start, end int) {
		for i := from; ; {
			n := bytes.Index(text[i:], []byte(word))
			if n < 0 {
				return -1, -1
			}
			i += n + len(word)
			name := run(text, i, 24, func(c byte) bool { return alnum(c) || c == '_' || c == '-' || c == '.' })
			value := run(text, name, 8, func(c byte) bool { return bytes.IndexByte([]byte(" \t\"'`:=>,\\"), c) >= 0 })
			if value > name && secretAt(text, value) {
				return value, value + secretLength
			}
		}
	}
}

// secretAfterAccessKey finds secret access keys shortly after an access key id, as
// in a file of credentials.
func secretAfterAccessKey(text, key []byte, from int) (start, end int) {
	const near = 100
	for i := from; ; {
		_, end := awsAccessKey(text, key, i)
		if end < 0 {
			return -1, -1
		}
		for j := end + 1; j < min(len(text), end+near); j++ {
			if secretAt(text, j) {
				return j, j + secretLength
			}
		}
		i = end
	}
}

// sessionToken finds session tokens of AWS by how all of them begin, in base64.
func sessionToken(text, _ []byte, from int) (start, end int) {
	const prefix = "IQoJb3JpZ2lu"
	for i := from; ; {
		n := bytes.Index(text[i:], []byte(prefix))
		if n < 0 {
			return -1, -1
		}
		i += n
		end = run(text, i, len(text), func(c byte) bool { return base64Char(c) || c == '=' || c == '%' || c == '-' || c == '_' })
		if end-i >= 100 && !alnum(at(text, i-1)) {
			return i, end
		}
		i = end
	}
}

// keyedSecret finds a value that is a secret access key, of a member whose name
// says so.
func keyedSecret(text, key []byte, from int) (start, end int) {
	if from == 0 && len(text) == secretLength && hasSecretKey(key) && secretAt(text, 0) {
		return 0, len(text)
	}
	return -1, -1
}

func hasSecretKey(key []byte) bool {
	return bytes.Contains(key, []byte("ecret")) || bytes.Contains(key, []byte("ECRET"))
}

func tokenChar(c byte) bool {
	return alnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/' || c == '='
}

// credential returns the token of at least 8 characters that starts at text[i]; no
// word of English is one.
func credential(text []byte, i int) (start, end int) {
	end = run(text, i, len(text), tokenChar)
	for end > i && text[end-1] == '.' {
		end--
	}
	var low, high, numbers bool
	for _, c := range text[i:end] {
		low, high, numbers = low || lower(c), high || capital(c) && c != text[i], numbers || digit(c)
	}
	if n := end - i; n >= 8 && numbers || n >= 16 && low && high {
		return i, end
	}
	return -1, end
}

// bearer finds tokens after the word bearer, written with word.
//
// Source: RFC 6750, 2.1.
func bearer(word string) finder {
	return func(text, _ []byte, from int) (start, end int) {
		for i := from; ; {
			n := bytes.Index(text[i:], []byte(word))
			if n < 0 {
				return -1, -1
			}
			i += n
			before := at(text, i-1)
			token := run(text, i+len(word), 3, func(c byte) bool { return c == ' ' || c == '+' || c == ':' })
			if token == i+len(word) && bytes.HasPrefix(text[token:], []byte("%20")) {
				token += 3
			}
			if (before == 'b' || before == 'B') && token > i+len(word) {
				if start, end = credential(text, token); start >= 0 {
					return start, end
				}
				i = end
				continue
			}
			i += len(word)
		}
	}
}

// authorization finds the credentials of an Authorization header, the name of
// which is written with word: Basic and others, or without a scheme.
func authorization(word string) finder {
	return func(text, _ []byte, from int) (start, end int) {
		for i := from; ; {
			n := bytes.Index(text[i:], []byte(word))
			if n < 0 {
				return -1, -1
			}
			i += n + len(word)
			value := run(text, i, 8, func(c byte) bool { return bytes.IndexByte([]byte(" \t\"':=>[\\"), c) >= 0 })
			if value > i {
				if start, end = schemeCredential(text, value); start >= 0 {
					return start, end
				}
				i = end
			}
		}
	}
}

// schemeCredential returns the token at text[i], or the one after a scheme there.
func schemeCredential(text []byte, i int) (start, end int) {
	if scheme := run(text, i, 20, letter); scheme > i && at(text, scheme) == ' ' {
		if bytes.EqualFold(text[i:scheme], []byte("basic")) {
			if end = run(text, scheme+1, len(text), tokenChar); end-scheme > 4 {
				return scheme + 1, end
			}
		}
		return credential(text, scheme+1)
	}
	return credential(text, i)
}

// keyedAuthorization finds the credentials in the value of a member that is named
// after the header.
func keyedAuthorization(text, key []byte, from int) (start, end int) {
	if from == 0 && hasAuthorizationKey(key) {
		return schemeCredential(text, 0)
	}
	return -1, -1
}

func hasAuthorizationKey(key []byte) bool {
	return bytes.Contains(key, []byte("uthorization")) || bytes.Contains(key, []byte("UTHORIZATION"))
}

func base64URLChar(c byte) bool { return alnum(c) || c == '-' || c == '_' }

// jwt finds JSON Web Tokens: a header, {" in base64url, and two or four more parts.
//
// Source: RFC 7515, 3.1; RFC 7516, 3.1.
func jwt(text, _ []byte, from int) (start, end int) {
	for i := from; ; {
		n := bytes.Index(text[i:], []byte("eyJ"))
		if n < 0 {
			return -1, -1
		}
		if i += n; base64URLChar(at(text, i-1)) {
			i += 3
			continue
		}
		parts, payload := 0, false
		end = i
		for {
			part := end
			if end = run(text, part, len(text), base64URLChar); parts == 1 {
				payload = bytes.HasPrefix(text[part:end], []byte("eyJ"))
			}
			if parts++; at(text, end) != '.' || parts == 5 {
				break
			}
			end++
		}
		for parts == 4 { // the end of a sentence
			end = bytes.LastIndexByte(text[:end], '.')
			parts--
		}
		if parts == 5 || parts == 3 && payload {
			return i, end
		}
		i = max(end, i+3)
	}
}

// privateKey finds private keys in PEM and in OpenPGP's armour.
//
// Source: RFC 7468, 10 and 11; RFC 4880, 6.2.
func privateKey(text, _ []byte, from int) (start, end int) {
	const words = "PRIVATE KEY"
	for i := from; ; {
		n := bytes.Index(text[i:], []byte(words))
		if n < 0 {
			return -1, -1
		}
		i += n
		line := text[max(from, i-40):i]
		start = bytes.LastIndex(line, []byte("BEGIN "))
		i += len(words)
		if start < 0 || at(text, i) != '-' && !bytes.HasPrefix(text[i:], []byte(" BLOCK-")) && !bytes.HasPrefix(text[i:], []byte(" -")) {
			continue
		}
		start += i - len(words) - len(line)
		for start > from && (text[start-1] == '-' || text[start-1] == ' ' && at(text, start-2) == '-') {
			start--
		}
		last := bytes.Index(text[i:], []byte("END "))
		if last < 0 {
			return start, len(text)
		}
		last = i + last
		if n := bytes.Index(text[last:min(len(text), last+60)], []byte(words)); n >= 0 {
			last += n + len(words)
			if bytes.HasPrefix(text[last:], []byte(" BLOCK")) {
				last += len(" BLOCK")
			}
			return start, run(text, last, len(text), func(c byte) bool { return c == '-' })
		}
		return start, len(text)
	}
}
