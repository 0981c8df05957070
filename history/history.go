// Package history reads log events of the past from where people have them: exports
// of CloudWatch Logs, output of the AWS CLI, backups of Firehose, or CloudWatch Logs
// itself. It hands them on in batches, documents as CloudWatch Logs would deliver
// them, and remembers in a checkpoint which of them Sumo Logic has confirmed.
//
// It streams: what it holds is bounded by the size of a batch, the number of workers
// and the largest log event, not by the size of the input. It knows neither AWS's SDK
// nor how a batch is shipped.
package history

import "time"

// Hints say what an input does not say of its log events.
type Hints struct {
	LogGroup  string // where the input names none; "" makes such an input an error
	LogStream string // likewise; it may be ""
	Owner     string // the account, or ""
}

// BatchSize is about how many bytes of a document there are in a batch: a few bodies
// for an HTTP Source.
const BatchSize = 4 << 20

// maxPending bounds the batches that are begun, for inputs with many log streams, in
// bytes; beyond it the oldest goes as it is.
const maxPending = 3 * BatchSize

// maxEvent bounds a log event, in bytes. CloudWatch Logs takes 1 MB.
const maxEvent = 8 << 20

// Batch is a part of an input: a document {"messageType":"DATA_MESSAGE",…}, or a
// Lambda event {"awslogs":…} where the input has one.
type Batch struct {
	Doc   []byte
	Seq   int       // in its unit, from 0; the same each time that the input is read
	Input int64     // bytes of the input, decompressed, up to here
	Where string    // in the input
	First time.Time // of its first log event; zero if it is not known without decoding it
}

// Retention is how old a log event may be for Sumo Logic to keep its timestamp. It
// stamps older ones with the time of receipt.
//
// Source: Sumo Logic, "Collector FAQ".
const Retention = 365 * 24 * time.Hour
