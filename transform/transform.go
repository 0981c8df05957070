// Package transform turns the payload that CloudWatch Logs sends to a Lambda
// function into records for a Sumo Logic HTTP Source, and back into a payload of
// some of its events. It does no I/O and does not know AWS's SDK.
//
// Decode checks a payload strictly and returns its Batch. Options.Records yields
// the records of a batch, without building a tree of any event. Batch.Rebuild
// packs those events that were not delivered for the dead-letter queue.
//
// The record format is that of Sumo's function cloudwatchlogs-with-dlq, without
// its flaws, so that searches keep working.
package transform
