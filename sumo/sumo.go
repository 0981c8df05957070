// Package sumo delivers records to a Sumo Logic HTTP Source: bodies of bounded
// size, gzip, the X-Sumo headers, retries.
//
// A Client holds the settings and the buffers, and lives as long as its process.
// Client.Begin starts a Delivery; Delivery.Add takes records and sends full bodies
// meanwhile; Delivery.Wait returns the Outcome, which names the events that Sumo
// Logic did not confirm.
//
// Source of what the API does: Sumo Logic, "HTTP Logs and Metrics Source",
// "Upload Logs to an HTTP Source" and "Troubleshooting HTTP Sources".
package sumo
