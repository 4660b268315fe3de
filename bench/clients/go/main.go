// Load by franz-go: `produce BOOTSTRAP TOPIC RECORDS SIZE CODEC` or `consume BOOTSTRAP TOPIC RECORDS`.
//
// It does what the program in Rust beside it does, with the same values and limits. What is not limited there has
// franz-go's defaults.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	batchBytes    = 1_000_000
	bufferBytes   = 32 << 20
	bufferRecords = 100_000
	linger        = 10 * time.Millisecond
)

var words = []string{
	"order", "paid", "shipped", "returned", "customer", "street", "amount", "total", "euro", "cent", "item", "quantity",
	"created", "updated", "status", "warehouse",
}

func main() {
	args := os.Args[1:]
	var records, bytes int64
	switch {
	case len(args) == 6 && args[0] == "produce":
		records, bytes = produce(args[1], args[2], number(args[3]), number(args[4]), args[5])
	case len(args) == 4 && args[0] == "consume":
		records, bytes = consume(args[1], args[2], number(args[3]))
	default:
		fail("usage: produce BOOTSTRAP TOPIC RECORDS SIZE CODEC | consume BOOTSTRAP TOPIC RECORDS")
	}
	fmt.Println(records, bytes)
}

// Produces, looking at the outcome of every record.
func produce(bootstrap, topic string, records, size int, codec string) (int64, int64) {
	values := makeValues(size)
	compression := kgo.NoCompression()
	if codec == "lz4" {
		compression = kgo.Lz4Compression()
	}
	client := connect(
		kgo.SeedBrokers(bootstrap),
		kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(compression),
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ProducerLinger(linger),
		kgo.MaxBufferedBytes(bufferBytes),
		kgo.MaxBufferedRecords(bufferRecords),
	)
	defer client.Close()
	var placed atomic.Int64
	var bytes int64
	promise := func(record *kgo.Record, err error) {
		if err != nil {
			fail(err)
		}
		if record.Offset >= 0 {
			placed.Add(1)
		}
	}
	for n := range records {
		value := values[n%len(values)]
		bytes += int64(len(value))
		client.Produce(context.Background(), &kgo.Record{Value: value}, promise)
	}
	if err := client.Flush(context.Background()); err != nil {
		fail(err)
	}
	return placed.Load(), bytes
}

// Reads a topic from its beginning.
func consume(bootstrap, topic string, records int) (int64, int64) {
	client := connect(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	defer client.Close()
	var count, bytes int64
	for count < int64(records) {
		fetches := client.PollFetches(context.Background())
		for _, err := range fetches.Errors() {
			fail(err.Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			count++
			bytes += int64(len(record.Value))
		})
	}
	return count, bytes
}

// The same values as the program in Rust makes.
func makeValues(size int) [][]byte {
	random := uint64(88_172_645_463_325_252)
	values := make([][]byte, 1024)
	for i := range values {
		text := make([]byte, 0, size+32)
		for len(text) < size {
			random ^= random << 13
			random ^= random >> 7
			random ^= random << 17
			text = append(text, words[random%uint64(len(words))]...)
			text = append(text, ' ')
			text = strconv.AppendUint(text, random>>48, 10)
			text = append(text, ' ')
		}
		values[i] = text[:size]
	}
	return values
}

func connect(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(options...)
	if err != nil {
		fail(err)
	}
	return client
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		fail(err)
	}
	return value
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(1)
}
