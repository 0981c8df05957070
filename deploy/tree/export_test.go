package tree

// Spliced is Bytes without the reading again that catches its mistakes.
func (n *Node) Spliced() []byte {
	if n.src != nil && n.src.yaml != nil {
		return n.spliced()
	}
	return n.Bytes()
}

// Raw returns the text of a value in the source, "" for one that has no text of
// its own there, and whether the value is as in the source: an alias of what was
// edited or deleted cannot be.
func (n *Node) Raw() (text string, untouched bool) {
	if n.src == nil || n.edited || n.yaml != nil && n.yaml.alias || !aliasesHold(n, n.Root()) {
		return "", false
	}
	return n.src.text[n.start:n.end], true
}

// aliasesHold reports whether all that the aliases in a value repeat is still
// there, as it was.
func aliasesHold(n, root *Node) bool {
	if n.yaml != nil && n.yaml.alias {
		return anchored(root, n.yaml.of)
	}
	for v := range n.values() {
		if !aliasesHold(v, root) {
			return false
		}
	}
	return true
}

// anchored reports whether an anchor at an offset is still in a value, unedited.
func anchored(n *Node, at int) bool {
	if n.yaml != nil && n.yaml.anchor && n.start == at {
		return !n.edited
	}
	for v := range n.values() {
		if anchored(v, at) {
			return true
		}
	}
	return false
}

// ParseStrictJSON is ParseJSON without placeholders: what encoding/json is held
// against.
func ParseStrictJSON(src []byte) (*Node, error) { return parseJSON(src, nil, false) }

// KeyPos returns where the key of a member begins in the source.
func (n *Node) KeyPos(name string) Pos {
	i := n.keyIndex(name)
	return n.src.pos(n.fields[i].keyStart)
}
