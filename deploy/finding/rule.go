package finding

// Rule is what stands behind the findings of one ID.
type Rule struct {
	ID       string
	Topic    Topic    // what it is about, "" for anything else
	Severity Severity // of its findings; see Refusal and Allow for when it is another
	Action   Action   // what Convert does
	Summary  string   // what is found and why it matters, in a sentence or two
	Help     Advice   // what to do next
	Source   string   // where this is documented

	// Allow says what Convert does if the ID is in Options.Allow; the finding is
	// a warning then. "" where it cannot be allowed.
	Allow string
	// Refusal says why ECS refuses this in a definition that claims to be for
	// Fargate; Check makes the finding an error there. "" where ECS takes it.
	Refusal string
}
