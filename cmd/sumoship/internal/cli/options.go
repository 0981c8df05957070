package cli

import "reflect"

// OptionTag is the tag of a flag that sets a field of a package's
// Options: it names the field. Nothing else is needed: SetOptions copies the value,
// and an error about the option names the flag.
const OptionTag = "option"

// SetOptions sets the fields of options that flags name. Both are pointers to
// structs.
func SetOptions(options, flags any) {
	to, from := reflect.ValueOf(options).Elem(), reflect.ValueOf(flags).Elem()
	for i := range from.NumField() {
		if field := to.FieldByName(from.Type().Field(i).Tag.Get(OptionTag)); field.IsValid() {
			field.Set(from.Field(i))
		}
	}
}
