package transform

import "bytes"

// origin is where log events came from: what they say themselves, or else the
// payload. A filter with emitSystemFields makes them say it, which matters in an
// account that collects the log groups of others.
type origin struct {
	account, region, group string // "" if unknown

	fields systemFields
	source Source            // of records without _sumo_metadata
	chosen map[string]Source // of records with it, by its text
	info   [kinds][]byte     // values of the members that LogInfo sets

	rule       *Rule
	base       Source // without what the rule overrides
	values     placeholderValues
	perMessage bool   // the rule's texts name parts of the message
	moreFields string // added last, with what that gave
	withMore   Source
}

// systemFields are the members of extractedFields that CloudWatch Logs sets, as
// JSON; "" if it is not there.
//
// Source: Amazon CloudWatch Logs API Reference, PutSubscriptionFilter,
// emitSystemFields.
type systemFields struct{ account, region, log string }

// readSystemFields reads them from extractedFields, which is valid JSON or empty.
func readSystemFields(fields []byte) (account, region, log []byte) {
	scanObject(fields, 0, func(key []byte, i int) int {
		end, _ := scanValue(fields, i, 0)
		var to *[]byte
		switch {
		case keyIs(key, "@aws.account"):
			to = &account
		case keyIs(key, "@aws.region"):
			to = &region
		case keyIs(key, "@source.log"):
			to = &log
		default:
			return end
		}
		if *to = nil; fields[i] == '"' && end > i+2 {
			*to = fields[i:end]
		}
		return end
	})
	return account, region, log
}

// withoutAccount returns the name of a log group, which may follow the account and
// a colon.
func withoutAccount(log string) string {
	const digits = 12
	if len(log) > digits && log[digits] == ':' {
		for _, c := range log[:digits] {
			if c < '0' || c > '9' {
				return log
			}
		}
		return log[digits+1:]
	}
	return log
}

// locate sets the origin of the event that was read last.
func (w *writer) locate() {
	if bytes.Equal(w.event.fields, w.fields) {
		return // as of the event before, most often
	}
	w.fields = w.event.fields
	account, region, log := readSystemFields(w.fields)
	if account == nil && region == nil && log == nil {
		w.from = &w.payload
		return
	}
	from, ok := w.origins[systemFields{string(account), string(region), string(log)}]
	if !ok {
		from = w.originOf(systemFields{string(account), string(region), string(log)})
		if w.origins == nil {
			w.origins = map[systemFields]*origin{}
		}
		w.origins[from.fields] = from
	}
	w.from = from
}

// originOf returns the origin of the events with these system fields.
func (w *writer) originOf(fields systemFields) *origin {
	b := w.batch
	from := &origin{fields: fields, account: b.Owner, region: w.Region, group: b.LogGroup}
	for _, f := range []struct {
		to    *string
		field string
		kind  kind
	}{{&from.account, fields.account, account}, {&from.region, fields.region, region}, {&from.group, fields.log, sourceGroup}} {
		if f.field == "" {
			continue
		}
		*f.to = text([]byte(f.field))
		if f.kind == sourceGroup {
			*f.to = withoutAccount(*f.to)
		}
		if w.LogInfo {
			from.info[f.kind] = quote(*f.to)
		}
	}
	if w.LogInfo && b.named.stream {
		from.info[logStream] = quote(b.LogStream)
	}
	if w.LogInfo && b.named.group {
		from.info[logGroup] = quote(b.LogGroup)
	}
	from.base = Source{Name: b.LogStream, Host: from.group}
	from.values = placeholders(b, from)
	for _, f := range []struct {
		to       *string
		override string
		field    bool
	}{
		{&from.base.Name, w.Source.Name, false}, {&from.base.Category, w.Source.Category, false},
		{&from.base.Host, w.Source.Host, false}, {&from.base.Fields, w.Source.Fields, true},
	} {
		if f.override == "" {
			continue
		}
		values := from.values
		values.field = f.field
		if value, ok := values.expand(unlessNone(f.override)); ok {
			*f.to = value
		}
	}
	from.rule = w.rule(Origin{Account: from.account, Region: from.region, LogGroup: from.group, LogStream: b.LogStream})
	from.values.tags = from.rule.Tags
	from.perMessage = from.rule.Source.namesMessage()
	from.source = from.base.overridden(from.rule.Source, from.values)
	return from
}
