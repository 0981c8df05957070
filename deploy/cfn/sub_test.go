package cfn

import "testing"

func TestMapSub(t *testing.T) {
	rename := func(name string) string {
		if name == "Bucket.Arn" {
			return "BucketArn"
		}
		return name
	}
	for text, want := range map[string]string{
		"":                                "",
		"plain":                           "plain",
		"${Bucket.Arn}/x":                 "${BucketArn}/x",
		"${ Bucket.Arn }":                 "${BucketArn}",
		"${ AWS::Region }":                "${ AWS::Region }",
		"${!Bucket.Arn}":                  "${!Bucket.Arn}",
		"$${Bucket.Arn}":                  "$${BucketArn}",
		"${}${Bucket.Arn}${Bucket.Arn":    "${}${BucketArn}${Bucket.Arn",
		"${!A${Bucket.Arn}}${Bucket.Arn}": "${!A${Bucket.Arn}}${BucketArn}",
	} {
		if got := MapSub(text, rename); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestSubArgs(t *testing.T) {
	for source, want := range map[string][2]string{
		`"${A}"`:                 {`"${A}"`, ""},
		`["${A}", {"A": "x"}]`:   {`"${A}"`, `{"A":"x"}`},
		`["${A}"]`:               {"", ""},
		`{"Fn::Transform": "x"}`: {"", ""},
	} {
		text, variables := SubArgs(parse(t, source))
		if got := [2]string{text.Source(), variables.Source()}; got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}
