package eni

// limit is what ECS's own guide says of a type.
type limit struct{ tasks, trunked int }

func (l limit) String() string {
	if l == (limit{}) {
		return "other figures"
	}
	return figures(l.tasks, l.trunked)
}

// guideDiffers has the types whose limits in ECS's guide are not those of the
// formulas: types with a second network card; i4i, for which the guide gives
// more; types that have a trunk in the guide only. trn1n.32xlarge is only in a
// later revision, whose figures were not at hand.
//
// Source: Amazon ECS Developer Guide, as in testdata/ecs-limits.tsv, without its
// i4i.large, which holds -2 tasks.
var guideDiffers = map[string]limit{
	"c6in.32xlarge":   {13, 120},
	"c6in.metal":      {13, 120},
	"m6idn.32xlarge":  {13, 120},
	"m6idn.metal":     {13, 120},
	"m6in.32xlarge":   {13, 120},
	"m6in.metal":      {13, 120},
	"r6idn.32xlarge":  {13, 120},
	"r6idn.metal":     {13, 120},
	"r6in.32xlarge":   {13, 120},
	"r6in.metal":      {13, 120},
	"i4i.16xlarge":    {14, 248},
	"i4i.32xlarge":    {14, 498},
	"i4i.metal":       {14, 498},
	"p3.2xlarge":      {3, 40},
	"p3.8xlarge":      {7, 60},
	"p3.16xlarge":     {7, 120},
	"u-6tb1.56xlarge": {14, 12},
	"trn1n.32xlarge":  {},
}

// guideRefuses has the types and families that have no trunking with ECS by the
// guide, which lists limits for some all the same. EKS has branch interfaces on
// most of them, so the table does too.
//
// Source: the same page, the note above its tables, without the families that the
// table lacks.
var guideRefuses = map[string]bool{
	"a1.metal": true, "c5.metal": true, "c5a.8xlarge": true, "c5ad.8xlarge": true, "c5d.metal": true,
	"m5.metal": true, "p3dn.24xlarge": true, "r5.metal": true, "r5.8xlarge": true, "r5d.metal": true,

	"c5n": true, "d3": true, "d3en": true, "g4dn": true, "i3": true, "i3en": true,
	"inf1": true, "m5dn": true, "m5n": true, "m5zn": true, "mac1": true, "r5b": true, "r5n": true, "r5dn": true,
	"u-6tb1": true, "z1d": true,
}
