package logstest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (x *exchange) logs() (status int, out any, err error) {
	switch s := x.s; x.op {
	case "CreateLogGroup":
		out, err = call(x, s.createLogGroup)
	case "PutRetentionPolicy":
		out, err = call(x, s.putRetentionPolicy)
	case "DescribeLogGroups":
		out, err = call(x, s.describeLogGroups)
	case "FilterLogEvents":
		out, err = call(x, s.filterLogEvents)
	case "ListLogGroups":
		out, err = call(x, s.listLogGroups)
	case "ListTagsForResource":
		out, err = call(x, s.listTagsForResource)
	case "DescribeSubscriptionFilters":
		out, err = call(x, s.describeSubscriptionFilters)
	case "PutSubscriptionFilter":
		out, err = call(x, s.putSubscriptionFilter)
	case "DeleteSubscriptionFilter":
		out, err = call(x, s.deleteSubscriptionFilter)
	case "DescribeAccountPolicies":
		out, err = call(x, s.describeAccountPolicies)
	case "PutAccountPolicy":
		out, err = call(x, s.putAccountPolicy)
	case "DeleteAccountPolicy":
		out, err = call(x, s.deleteAccountPolicy)
	default:
		err = fail("UnknownOperationException", "logstest does not know the operation %q", x.op)
	}
	return http.StatusOK, out, err
}

func invalid(format string, args ...any) error {
	return fail("InvalidParameterException", format, args...)
}

var groupName = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)

type logGroup struct {
	LogGroupName string `json:"logGroupName"`
}

func (g logGroup) subject() string { return g.LogGroupName }

// find is the group of an input. The lock is held.
func (s *Server) find(g logGroup) (*Group, error) {
	if !groupName.MatchString(g.LogGroupName) {
		return nil, invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", g.LogGroupName)
	}
	if found := s.groups[g.LogGroupName]; found != nil {
		return found, nil
	}
	return nil, fail("ResourceNotFoundException", "The specified log group does not exist.")
}

type createLogGroupInput struct {
	logGroup
	LogGroupClass string            `json:"logGroupClass"`
	Tags          map[string]string `json:"tags"`
}

func (s *Server) createLogGroup(in createLogGroupInput) (any, error) {
	if g, err := s.find(in.logGroup); g != nil {
		return nil, fail("ResourceAlreadyExistsException", "The specified log group already exists")
	} else if strings.HasPrefix(err.Error(), "Invalid") {
		return nil, err
	}
	s.groups[in.LogGroupName] = &Group{Name: in.LogGroupName, Class: in.LogGroupClass, Tags: in.Tags}
	s.names = nil
	return struct{}{}, nil
}

type putRetentionInput struct {
	logGroup
	RetentionInDays int `json:"retentionInDays"`
}

// retentions are the days that a log group can be kept.
//
// Source: Amazon CloudWatch Logs API Reference, PutRetentionPolicy.
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (s *Server) putRetentionPolicy(in putRetentionInput) (any, error) {
	g, err := s.find(in.logGroup)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(retentions, in.RetentionInDays) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", in.RetentionInDays, retentions)
	}
	g.Days = in.RetentionInDays
	return struct{}{}, nil
}

func groupARN(name string) string {
	return "arn:aws:logs:" + Region + ":" + Account + ":log-group:" + name
}

// page is part of a list that is asked for page by page.
type page struct {
	Limit     *int   `json:"limit"`
	NextToken string `json:"nextToken"`
}

// of cuts a page out of names, which are sorted. A token is the last name that
// was given, so that what is made or deleted meanwhile does not move the rest.
func (p page) of(s *Server, names []string) (part []string, next string, err error) {
	size := s.Page
	if size == 0 {
		size = 50
	}
	if p.Limit != nil {
		if *p.Limit < 1 || *p.Limit > 50 {
			return nil, "", invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50", *p.Limit)
		}
		size = min(size, *p.Limit)
	}
	if p.NextToken != "" {
		last, err := base64.StdEncoding.DecodeString(p.NextToken)
		if err != nil {
			return nil, "", invalid("The specified nextToken is invalid.")
		}
		i, found := slices.BinarySearch(names, string(last))
		if found {
			i++
		}
		names = names[i:]
	}
	if len(names) <= size {
		return names, "", nil
	}
	return names[:size], base64.StdEncoding.EncodeToString([]byte(names[size-1])), nil
}

type describeLogGroupsInput struct {
	page
	LogGroupNamePrefix string `json:"logGroupNamePrefix"`
}

func (describeLogGroupsInput) subject() string { return "" }

func (s *Server) describeLogGroups(in describeLogGroupsInput) (any, error) {
	if s.names == nil {
		s.names = slices.Sorted(maps.Keys(s.groups))
	}
	names := s.names
	if p := in.LogGroupNamePrefix; p != "" {
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, p) })
	}
	part, next, err := in.of(s, names)
	if err != nil {
		return nil, err
	}
	type group struct {
		ARN           string `json:"arn"`
		LogGroupARN   string `json:"logGroupArn"`
		LogGroupName  string `json:"logGroupName"`
		LogGroupClass string `json:"logGroupClass"`
		Days          int    `json:"retentionInDays,omitempty"`
	}
	out := struct {
		LogGroups []group `json:"logGroups"`
		NextToken string  `json:"nextToken,omitempty"`
	}{[]group{}, next}
	for _, name := range part {
		class := s.groups[name].Class
		if class == "" {
			class = "STANDARD"
		}
		out.LogGroups = append(out.LogGroups, group{groupARN(name) + ":*", groupARN(name), name, class, s.groups[name].Days})
	}
	return out, nil
}

type filterLogEventsInput struct {
	logGroup
	StartTime     *int64 `json:"startTime"`
	EndTime       *int64 `json:"endTime"`
	FilterPattern string `json:"filterPattern"`
	Limit         *int   `json:"limit"`
	NextToken     string `json:"nextToken"`
}

// filterLogEvents finds log events. A pattern is one term, which is looked for in the
// message. A token is how many were given.
func (s *Server) filterLogEvents(in filterLogEventsInput) (any, error) {
	g, err := s.find(in.logGroup)
	if err != nil {
		return nil, err
	}
	size, skip := 10_000, 0
	if s.Page > 0 {
		size = s.Page
	}
	if in.Limit != nil {
		size = min(size, *in.Limit)
	}
	if in.NextToken != "" {
		if skip, err = strconv.Atoi(in.NextToken); err != nil {
			return nil, invalid("The specified nextToken is invalid.")
		}
	}
	type event struct {
		LogStreamName string `json:"logStreamName"`
		Timestamp     int64  `json:"timestamp"`
		Message       string `json:"message"`
		IngestionTime int64  `json:"ingestionTime"`
		EventID       string `json:"eventId"`
	}
	out := struct {
		Events             []event `json:"events"`
		SearchedLogStreams []any   `json:"searchedLogStreams"`
		NextToken          string  `json:"nextToken,omitempty"`
	}{[]event{}, []any{}, ""}
	n := 0
	for _, e := range g.Events {
		if in.StartTime != nil && e.Timestamp < *in.StartTime || in.EndTime != nil && e.Timestamp > *in.EndTime || !strings.Contains(e.Message, in.FilterPattern) {
			continue
		}
		if n++; n <= skip {
			continue
		}
		if len(out.Events) == size {
			out.NextToken = strconv.Itoa(skip + size)
			break
		}
		out.Events = append(out.Events, event{e.Stream, e.Timestamp, e.Message, e.Timestamp, e.ID})
	}
	return out, nil
}

// tagFilter chooses groups that have a tag with one of some values, or with any.
type tagFilter struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

func (f tagFilter) holds(tags map[string]string) bool {
	value, found := tags[f.Key]
	return found && (len(f.Values) == 0 || slices.ContainsFunc(f.Values, func(want string) bool {
		if not, negated := strings.CutPrefix(want, "!"); negated {
			return value != not
		}
		if parts := strings.Split(want, "*"); len(parts) > 1 {
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			return regexp.MustCompile("(?i)^" + strings.Join(parts, ".*") + "$").MatchString(value)
		}
		return value == want
	}))
}

type listLogGroupsInput struct {
	page
	LogGroupTags []tagFilter `json:"logGroupTags"`
}

func (listLogGroupsInput) subject() string { return "" }

func (s *Server) listLogGroups(in listLogGroupsInput) (any, error) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if s.IgnoreTagFilters || !slices.ContainsFunc(in.LogGroupTags, func(f tagFilter) bool { return !f.holds(s.groups[name].Tags) }) {
			names = append(names, name)
		}
	}
	part, next, err := in.of(s, names)
	if err != nil {
		return nil, err
	}
	type group struct {
		LogGroupARN   string `json:"logGroupArn"`
		LogGroupName  string `json:"logGroupName"`
		LogGroupClass string `json:"logGroupClass"`
	}
	out := struct {
		LogGroups []group `json:"logGroups"`
		NextToken string  `json:"nextToken,omitempty"`
	}{[]group{}, next}
	for _, name := range part {
		out.LogGroups = append(out.LogGroups, group{groupARN(name), name, cmp.Or(s.groups[name].Class, "STANDARD")})
	}
	return out, nil
}

type listTagsInput struct {
	ResourceARN string `json:"resourceArn"`
}

func (in listTagsInput) subject() string {
	name, _ := strings.CutPrefix(in.ResourceARN, groupARN(""))
	return name
}

func (s *Server) listTagsForResource(in listTagsInput) (any, error) {
	g := s.groups[in.subject()]
	if g == nil {
		return nil, fail("ResourceNotFoundException", "The specified resource does not exist.")
	}
	tags := g.Tags
	if tags == nil {
		tags = map[string]string{}
	}
	return map[string]any{"tags": tags}, nil
}

type describeFiltersInput struct {
	logGroup
	page
	FilterNamePrefix string `json:"filterNamePrefix"`
}

func (s *Server) describeSubscriptionFilters(in describeFiltersInput) (any, error) {
	g, err := s.find(in.logGroup)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range g.Filters {
		if strings.HasPrefix(f.Name, in.FilterNamePrefix) {
			names = append(names, f.Name)
		}
	}
	part, next, err := in.of(s, names)
	if err != nil {
		return nil, err
	}
	type filter struct {
		LogGroupName   string `json:"logGroupName"`
		FilterName     string `json:"filterName"`
		FilterPattern  string `json:"filterPattern"`
		DestinationARN string `json:"destinationArn"`
		RoleARN        string `json:"roleArn,omitempty"`
		filterOptions
	}
	out := struct {
		SubscriptionFilters []filter `json:"subscriptionFilters"`
		NextToken           string   `json:"nextToken,omitempty"`
	}{[]filter{}, next}
	for _, f := range g.Filters {
		if slices.Contains(part, f.Name) {
			out.SubscriptionFilters = append(out.SubscriptionFilters, filter{g.Name, f.Name, f.Pattern, f.Destination, f.Role,
				filterOptions{f.Transformed, cmp.Or(f.Distribution, byLogStream), strings.FieldsFunc(f.SystemFields, func(r rune) bool { return r == ',' }), f.Selection}})
		}
	}
	return out, nil
}

type putFilterInput struct {
	logGroup
	FilterName     string `json:"filterName"`
	FilterPattern  string `json:"filterPattern"`
	DestinationARN string `json:"destinationArn"`
	RoleARN        string `json:"roleArn"`
	filterOptions
}

// filterOptions are the members of a filter that a put may leave out, and thereby
// resets.
type filterOptions struct {
	ApplyOnTransformedLogs bool     `json:"applyOnTransformedLogs,omitempty"`
	Distribution           string   `json:"distribution,omitempty"`
	EmitSystemFields       []string `json:"emitSystemFields,omitempty"`
	FieldSelectionCriteria string   `json:"fieldSelectionCriteria,omitempty"`
}

const byLogStream = "ByLogStream"

func (o filterOptions) check() error {
	switch {
	case !slices.Contains([]string{"", byLogStream, "Random"}, o.Distribution):
		return invalid("1 validation error detected: Value '%s' at 'distribution' failed to satisfy constraint: Member must satisfy enum value set: [Random, ByLogStream]", o.Distribution)
	case utf8.RuneCountInString(o.FieldSelectionCriteria) > 2000:
		return invalid("1 validation error detected: Value at 'fieldSelectionCriteria' failed to satisfy constraint: Member must have length less than or equal to 2000")
	}
	for _, f := range o.EmitSystemFields {
		if !slices.Contains([]string{"@aws.account", "@aws.region", "@source.log"}, f) {
			return invalid("Invalid system field: %s", f)
		}
	}
	return nil
}

// maxFilters is how many subscription filters a log group can have.
const maxFilters = 2

func (s *Server) putSubscriptionFilter(in putFilterInput) (any, error) {
	g, err := s.find(in.logGroup)
	if err != nil {
		return nil, err
	}
	if g.Class != "" && g.Class != "STANDARD" {
		return nil, invalid("Subscription filters are not supported for log groups of the class %s.", g.Class)
	}
	if in.FilterName == "" || strings.ContainsAny(in.FilterName, ":*") {
		return nil, invalid("1 validation error detected: Value '%s' at 'filterName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*", in.FilterName)
	}
	if utf8.RuneCountInString(in.FilterPattern) > 1024 {
		return nil, invalid("1 validation error detected: Value at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to 1024")
	}
	if err := s.deliverable(g.Name, in.DestinationARN, in.RoleARN); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	f := Filter{in.FilterName, in.FilterPattern, in.DestinationARN, in.RoleARN, strings.Join(in.EmitSystemFields, ","), in.FieldSelectionCriteria, in.ApplyOnTransformedLogs, in.Distribution}
	if f.Distribution == byLogStream {
		f.Distribution = ""
	}
	i, found := slices.BinarySearchFunc(g.Filters, f.Name, func(f Filter, name string) int { return strings.Compare(f.Name, name) })
	switch {
	case found:
		g.Filters[i] = f
	case len(g.Filters) >= maxFilters:
		return nil, fail("LimitExceededException", "Resource limit exceeded.")
	default:
		g.Filters = slices.Insert(g.Filters, i, f)
	}
	return struct{}{}, nil
}

// deliverable finds what keeps a destination from taking the events of a group.
// A group of "" stands for all. The service sends a test message to find out.
func (s *Server) deliverable(group, destination, role string) error {
	part := strings.SplitN(destination, ":", 7)
	if len(part) < 6 {
		return invalid("destinationArn is not a valid ARN")
	}
	switch part[2] {
	case "lambda":
		name := ""
		if len(part) == 7 {
			name, _, _ = strings.Cut(part[6], ":")
		}
		if group == "/aws/lambda/"+name {
			return invalid("The log group provided is reserved for the function logs of the destination function.")
		}
		if f := s.functions[name]; f == nil || !f.permits(group, s.PermissionDelay) {
			return invalid("Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.")
		}
	case "kinesis", "firehose":
		if role == "" {
			return invalid("Role ARN is required for destination of this type.")
		}
	case "logs":
	default:
		return invalid("PutSubscriptionFilter operation cannot work with destinationArn for vendor %s", part[2])
	}
	return nil
}

type deleteFilterInput struct {
	logGroup
	FilterName string `json:"filterName"`
}

func (s *Server) deleteSubscriptionFilter(in deleteFilterInput) (any, error) {
	g, err := s.find(in.logGroup)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(g.Filters, func(f Filter) bool { return f.Name == in.FilterName })
	if i < 0 {
		return nil, fail("ResourceNotFoundException", "The specified subscription filter does not exist.")
	}
	g.Filters = slices.Delete(g.Filters, i, i+1)
	return struct{}{}, nil
}

type accountPolicy struct {
	PolicyName string `json:"policyName"`
	PolicyType string `json:"policyType"`
}

func (p accountPolicy) subject() string { return p.PolicyName }

func (p accountPolicy) check() error {
	if p.PolicyType != "SUBSCRIPTION_FILTER_POLICY" {
		return invalid("logstest knows only SUBSCRIPTION_FILTER_POLICY, not %q", p.PolicyType)
	}
	return nil
}

func (s *Server) describeAccountPolicies(in accountPolicy) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	type policy struct {
		accountPolicy
		PolicyDocument    string `json:"policyDocument"`
		SelectionCriteria string `json:"selectionCriteria,omitempty"`
		Scope             string `json:"scope"`
		AccountID         string `json:"accountId"`
	}
	out := []policy{}
	for _, name := range slices.Sorted(maps.Keys(s.policies)) {
		if p := s.policies[name]; in.PolicyName == "" || in.PolicyName == name {
			out = append(out, policy{accountPolicy{name, in.PolicyType}, p.Document, p.Criteria, "ALL", Account})
		}
	}
	if in.PolicyName != "" && len(out) == 0 {
		return nil, fail("ResourceNotFoundException", "Policy not found")
	}
	return map[string]any{"accountPolicies": out}, nil
}

type putAccountPolicyInput struct {
	accountPolicy
	PolicyDocument    string `json:"policyDocument"`
	SelectionCriteria string `json:"selectionCriteria"`
	Scope             string `json:"scope"`
}

var criteria = regexp.MustCompile(`^LogGroupName NOT IN (\[.*\])$`)

func (s *Server) putAccountPolicy(in putAccountPolicyInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var doc struct{ DestinationArn, RoleArn, FilterPattern, Distribution string }
	if err := json.Unmarshal([]byte(in.PolicyDocument), &doc); err != nil {
		return nil, invalid("Policy document is not valid JSON")
	}
	if in.SelectionCriteria != "" {
		var names []string
		m := criteria.FindStringSubmatch(in.SelectionCriteria)
		if m == nil || json.Unmarshal([]byte(m[1]), &names) != nil || len(in.SelectionCriteria) > 25<<10 {
			return nil, invalid("Invalid selection criteria")
		}
	}
	if err := s.deliverable("", doc.DestinationArn, doc.RoleArn); err != nil {
		return nil, err
	}
	if _, found := s.policies[in.PolicyName]; !found && len(s.policies) > 0 {
		return nil, fail("LimitExceededException", "Resource limit exceeded.")
	}
	s.policies[in.PolicyName] = Policy{in.PolicyName, in.PolicyDocument, in.SelectionCriteria}
	return map[string]any{}, nil
}

func (s *Server) deleteAccountPolicy(in accountPolicy) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if _, found := s.policies[in.PolicyName]; !found {
		return nil, fail("ResourceNotFoundException", "Policy not found")
	}
	delete(s.policies, in.PolicyName)
	return struct{}{}, nil
}
