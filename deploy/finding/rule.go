package finding

// Rule describes the findings of one ID.
type Rule struct {
	ID       string
	Topic    Topic    // "" if no caller selects by it
	Severity Severity // of its findings; see Refusal and Allow for when it is another
	Action   Action   // what Convert does
	Summary  string   // what was found and why it matters, in a sentence or two
	Help     Advice   // what to do next
	Source   string   // where this is documented

	// Usual marks what every definition has: text for people names the findings of
	// such rules in one line.
	Usual bool

	// Allow is what Convert does if the user allows the ID; the finding is then a
	// warning. "" means that it cannot be allowed.
	Allow string
	// Refusal is why ECS refuses this in a definition that claims to be for
	// Fargate; Check makes the finding an error there. "" means that ECS accepts
	// it.
	Refusal string
}
