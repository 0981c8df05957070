package transform

import (
	"bytes"
	"slices"
)

// Interface is a network interface, as Amazon EC2 describes it.
type Interface struct {
	Subnet, VPC    string
	SecurityGroups []string
	Addresses      []string // private IPv4 and IPv6 addresses
}

// Interfaces are the network interfaces that are known.
type Interfaces interface {
	// Interface returns the interface with an ID, nil if it is not known.
	Interface(id string) *Interface
	// SubnetOf returns the subnet of the interface with an address, "" if none is known.
	SubnetOf(address string) string
}

// FlowRecord is what a VPC flow log record says of its traffic, "" if it does not say
// it.
type FlowRecord struct{ Interface, Source, Destination string }

// ReadFlowRecord reads a flow record in text. The words at columns, counted from 0,
// are the addresses; nil means those of the default format. The interface is the word
// that is the ID of one.
//
// Source: Amazon VPC User Guide, "Flow log records".
func ReadFlowRecord(line []byte, columns *[2]int) (f FlowRecord) {
	if columns == nil {
		columns = &[2]int{3, 4}
	}
	for i := 0; len(line) > 0; i++ {
		word, rest, _ := bytes.Cut(line, []byte(" "))
		switch {
		case i == columns[0]:
			f.Source = string(word)
		case i == columns[1]:
			f.Destination = string(word)
		case f.Interface == "" && bytes.HasPrefix(word, []byte("eni-")):
			f.Interface = string(word)
		}
		line = rest
	}
	return f
}

// appendInterface appends what is known of the interface of a flow record as members of
// its record.
//
// Source: the members of SumoLogic/sumologic-aws-lambda, cloudwatchlogs-with-dlq,
// vpcutils.js. Unlike there, direction is internal if the other end is in the same
// subnet, and missing if neither address is one of the interface.
func (w *writer) appendInterface(dst []byte) []byte {
	if w.Interfaces == nil || w.from.rule.Format != VPCJSON {
		return dst
	}
	f := ReadFlowRecord(w.flow, w.from.rule.Columns)
	if f.Interface == "" || f.Source == "-" && f.Destination == "-" { // NODATA, SKIPDATA
		return dst
	}
	known := w.Interfaces.Interface(f.Interface)
	if known == nil {
		return dst
	}
	member := func(name, value string) {
		if value != "" {
			dst = append(append(append(comma(dst), '"'), name...), `":`...)
			dst = append(dst, quote(value)...)
		}
	}
	dst = append(comma(dst), `"security-group-ids":[`...)
	for i, group := range known.SecurityGroups {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, quote(group)...)
	}
	dst = append(dst, ']')
	direction, other := "", ""
	switch {
	case slices.Contains(known.Addresses, f.Destination):
		direction, other = "inbound", f.Source
	case slices.Contains(known.Addresses, f.Source):
		direction, other = "outbound", f.Destination
	}
	if direction != "" && known.Subnet != "" && w.Interfaces.SubnetOf(other) == known.Subnet {
		direction = "internal"
	}
	member("direction", direction)
	member("subnet-id", known.Subnet)
	member("vpc-id", known.VPC)
	member("aws-region", w.from.region)
	return dst
}
