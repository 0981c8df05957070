package stack_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// cloudWatch holds what was written to metrics: values by metric and minute.
type cloudWatch map[string]map[int][]float64

func (m metric) key() string {
	var b strings.Builder
	b.WriteString(m.namespace + " " + m.name)
	for _, d := range slices.Sorted(maps.Keys(m.dimensions)) {
		b.WriteString(" " + d + "=" + m.dimensions[d])
	}
	return b.String()
}

func (c cloudWatch) put(m metric, minute int, v float64) {
	if c[m.key()] == nil {
		c[m.key()] = map[int][]float64{}
	}
	c[m.key()][minute] = append(c[m.key()][minute], v)
}

// stat returns a statistic of a metric over the minutes [from, to), false without
// data.
func (c cloudWatch) stat(m metric, statistic string, from, to int) (float64, bool) {
	var values []float64
	for minute := from; minute < to; minute++ {
		values = append(values, c[m.key()][minute]...)
	}
	if len(values) == 0 {
		return 0, false
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	switch statistic {
	case "Sum":
		return sum, true
	case "Average":
		return sum / float64(len(values)), true
	case "Maximum":
		return slices.Max(values), true
	}
	panic("unknown statistic " + statistic)
}

// alarm is an alarm of the template on metrics. The windows of its periods end with
// the minute of the evaluation, which CloudWatch does once a minute.
//
// Source: Amazon CloudWatch User Guide, "Alarm evaluation", "Configuring how
// CloudWatch alarms treat missing data" and "Metric math syntax and functions".
type alarm struct {
	properties map[string]any
	metrics    cloudWatch
	now        int // minute
}

// on reports whether the alarm is in the state ALARM.
func (a *alarm) on(t *testing.T) bool {
	t.Helper()
	periods := number(a.properties["EvaluationPeriods"])
	need := periods
	if n := a.properties["DatapointsToAlarm"]; n != nil {
		need = number(n)
	}
	threshold, breaching := number(a.properties["Threshold"]), 0.0
	for i := range int(periods) {
		v, ok := a.watched(t, i)
		switch {
		case !ok && a.properties["TreatMissingData"] == "breaching",
			ok && compare(text(a.properties["ComparisonOperator"]), v, threshold):
			breaching++
		}
	}
	return breaching >= need
}

func compare(operator string, v, threshold float64) bool {
	switch operator {
	case "GreaterThanThreshold":
		return v > threshold
	case "GreaterThanOrEqualToThreshold":
		return v >= threshold
	case "LessThanThreshold":
		return v < threshold
	}
	panic("unknown operator " + operator)
}

// watched returns the number that the alarm watches, i periods ago.
func (a *alarm) watched(t *testing.T, i int) (float64, bool) {
	queries, ok := a.properties["Metrics"].([]any)
	if !ok {
		m := metric{text(a.properties["Namespace"]), text(a.properties["MetricName"]), dimensions(a.properties["Dimensions"])}
		return a.window(m, text(a.properties["Statistic"]), number(a.properties["Period"]), i)
	}
	for _, q := range queries {
		if get(q, "ReturnData") != false {
			return a.query(t, q, i)
		}
	}
	t.Fatal("no query returns data")
	return 0, false
}

func (a *alarm) window(m metric, statistic string, period float64, i int) (float64, bool) {
	minutes := int(period / 60)
	to := a.now - i*minutes
	return a.metrics.stat(m, statistic, to-minutes, to)
}

func (a *alarm) query(t *testing.T, q any, i int) (float64, bool) {
	if stat := get(q, "MetricStat"); stat != nil {
		m := metricsOf([]any{q})[0]
		return a.window(m, text(get(stat, "Stat")), number(get(stat, "Period")), i)
	}
	expression := text(get(q, "Expression"))
	if strings.HasPrefix(expression, "SELECT") {
		return 0, false // of other stacks too
	}
	// What is left of metric math is Go's syntax.
	e, err := parser.ParseExpr(strings.NewReplacer("[", "", "]", "", " AND ", " && ").Replace(expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return a.math(t, e, i)
}

func (a *alarm) math(t *testing.T, e ast.Expr, i int) (float64, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return number(e.Value), true
	case *ast.ParenExpr:
		return a.math(t, e.X, i)
	case *ast.Ident:
		for _, q := range a.properties["Metrics"].([]any) {
			if get(q, "Id") == e.Name {
				return a.query(t, q, i)
			}
		}
		t.Fatalf("unknown metric %s", e.Name)
	case *ast.BinaryExpr:
		x, okX := a.math(t, e.X, i)
		y, okY := a.math(t, e.Y, i)
		if !okX || !okY || e.Op == token.QUO && y == 0 {
			return 0, false
		}
		return binary(e.Op, x, y), true
	case *ast.CallExpr:
		return a.call(t, fmt.Sprint(e.Fun), e.Args, i)
	}
	t.Fatalf("unknown expression %T", e)
	return 0, false
}

func binary(op token.Token, x, y float64) float64 {
	truth := map[bool]float64{true: 1}
	switch op {
	case token.ADD:
		return x + y
	case token.SUB:
		return x - y
	case token.MUL:
		return x * y
	case token.QUO:
		return x / y
	case token.GTR:
		return truth[x > y]
	case token.GEQ:
		return truth[x >= y]
	case token.LAND:
		return truth[x != 0 && y != 0]
	}
	panic("unknown operator " + op.String())
}

func (a *alarm) call(t *testing.T, function string, args []ast.Expr, i int) (float64, bool) {
	switch function {
	case "FILL":
		if v, ok := a.math(t, args[0], i); ok {
			return v, true
		}
		return a.math(t, args[1], i)
	case "IF":
		condition, ok := a.math(t, args[0], i)
		if !ok {
			return 0, false
		}
		if condition != 0 {
			return a.math(t, args[1], i)
		}
		return a.math(t, args[2], i)
	case "DIFF":
		now, ok := a.math(t, args[0], i)
		before, too := a.math(t, args[0], i+1)
		return now - before, ok && too
	case "MAX":
		var values []float64
		for _, arg := range args {
			if v, ok := a.math(t, arg, i); ok {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			return 0, false
		}
		return slices.Max(values), true
	}
	t.Fatalf("unknown function %s", function)
	return 0, false
}

// number returns a property that is a number, or a parameter's text.
func number(v any) float64 {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		panic(err)
	}
	return n
}

// firing returns the alarms that are in the state ALARM at a minute.
func (s *stack) firing(t *testing.T, metrics cloudWatch, minute int) (names []string) {
	t.Helper()
	for name, r := range s.of("AWS::CloudWatch::Alarm") {
		if (&alarm{r.Properties, metrics, minute}).on(t) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lambda returns a metric of AWS Lambda for a function, queue one of SQS.
func (s *stack) lambda(function, name string) metric {
	return metric{"AWS/Lambda", name, map[string]string{"FunctionName": s.ref(function).(string)}}
}

func (s *stack) queue(queue, name string) metric {
	return metric{"AWS/SQS", name, map[string]string{"QueueName": s.name(queue, "QueueName")}}
}

// What the incidents do not reach: alarms on figures that are made up.
func TestAlarmsOnFigures(t *testing.T) {
	s := readTemplate(t).create(t, made)
	const hour, day = 60, 24 * 60
	depth := func(of func(minute int) float64) func(cloudWatch) {
		return func(c cloudWatch) {
			for m := range 3 * day {
				c.put(s.queue("DeadLetterQueue", "ApproximateNumberOfMessagesVisible"), m, of(m))
				c.put(s.queue("DeadLetterQueue", "ApproximateNumberOfMessagesNotVisible"), m, 0)
				c.put(s.queue("DeadLetterQueue", "ApproximateNumberOfMessagesDelayed"), m, 0)
				c.put(metric{"sumoship", "MessageAge", map[string]string{"function": "ship-Replay"}}, m, float64(m)*60)
			}
		}
	}
	every := func(m metric, minutes int, v float64) func(cloudWatch) {
		return func(c cloudWatch) {
			for at := 0; at < 3*day; at += minutes {
				c.put(m, at, v)
			}
		}
	}
	both := func(puts ...func(cloudWatch)) func(cloudWatch) {
		return func(c cloudWatch) {
			for _, put := range puts {
				put(c)
			}
		}
	}
	for _, c := range []struct {
		name, alarm string
		put         func(cloudWatch)
		off, on     int // minutes at which it is off, and on; -1: never
	}{
		{"a deep queue that drains", "DrainSlowAlarm", depth(func(m int) float64 { return 1e6 - float64(m) }), 3*day - 1, -1},
		{"a deep queue that does not", "DrainSlowAlarm", depth(func(m int) float64 { return 1e6 }), 2 * day, 2*day + 3*hour + 1},
		{"a queue that grows", "DrainSlowAlarm", depth(func(m int) float64 { return float64(m) }), 2 * day, 2*day + 3*hour + 1},
		{"an old queue that drains", "DeadLetterAgeAlarm", depth(func(m int) float64 { return 1e6 - float64(m) }), hour, hour + 1},
		{"499 messages", "DeadLetterDepthAlarm", depth(func(int) float64 { return 499 }), day, -1},
		{"500 messages", "DeadLetterDepthAlarm", depth(func(int) float64 { return 500 }), 10, 15},
		{"a message that is first delayed, then in flight, then visible", "DeadLetterDepthAlarm", func(c cloudWatch) {
			for m := range day {
				for i, state := range []string{"Delayed", "NotVisible", "Visible"} {
					c.put(s.queue("DeadLetterQueue", "ApproximateNumberOfMessages"+state), m, map[bool]float64{true: 499}[m%3 == i])
				}
			}
		}, day - 1, -1},
		{"one error", "ForwarderErrorsAlarm", both(every(s.lambda("Forwarder", "Invocations"), 1, 10), func(c cloudWatch) {
			c.put(s.lambda("Forwarder", "Errors"), 30, 3)
		}), 31, -1},
		{"6 % fail", "ForwarderErrorsAlarm", both(every(s.lambda("Forwarder", "Invocations"), 1, 100), every(s.lambda("Forwarder", "Errors"), 1, 6)), 9, 15},
		{"4 % fail", "ForwarderErrorsAlarm", both(every(s.lambda("Forwarder", "Invocations"), 1, 100), every(s.lambda("Forwarder", "Errors"), 1, 4)), hour, -1},
		{"replay fails", "ReplayErrorsAlarm", every(s.lambda("Replay", "Errors"), 1, 1), 9, 15},
		{"200 executions", "ConcurrencyAlarm", every(s.lambda("Forwarder", "ConcurrentExecutions"), 1, 200), hour, -1},
		{"201 executions", "ConcurrencyAlarm", every(s.lambda("Forwarder", "ConcurrentExecutions"), 1, 201), 4, 5},
		{"events of 16 minutes", "ForwarderEventAgeAlarm", every(s.lambda("Forwarder", "AsyncEventAge"), 1, 16*60*1000), 10, 15},
		{"events that are tried for the third time", "ForwarderEventAgeAlarm", every(s.lambda("Forwarder", "AsyncEventAge"), 1, 3*60*1000), hour, -1},
		{"an event is dropped", "ForwarderEventsDroppedAlarm", every(s.lambda("Forwarder", "AsyncEventsDropped"), 10*day, 1), 0, 1},
		{"a message of eleven days", "ExpiryAlarm", every(s.queue("QuarantineQueue", "ApproximateAgeOfOldestMessage"), 1, 11*24*3600), 0, 1},
		{"a message in quarantine", "QuarantineAlarm", every(s.queue("QuarantineQueue", "ApproximateNumberOfMessagesVisible"), 1, 1), 0, 1},
	} {
		metrics := cloudWatch{}
		c.put(metrics)
		a := &alarm{s.resources[c.alarm].Properties, metrics, c.off}
		if a.properties == nil {
			t.Errorf("there is no %s", c.alarm)
			continue
		}
		if a.on(t) {
			t.Errorf("%s: %s is on after %d min", c.name, c.alarm, c.off)
		}
		if a.now = c.on; c.on >= 0 && !a.on(t) {
			t.Errorf("%s: %s is off after %d min", c.name, c.alarm, c.on)
		}
	}
}
