// Package suite is what the Go suites share: features run one by one, each with a row `ok NAME` or `FAIL NAME: reason`,
// and the runner (`cargo xtask compat`) can be asked to restart the node. A feature panics when the node answers
// otherwise than Apache Kafka does.
package suite

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

var (
	// Bootstrap is the address of the node.
	Bootstrap = os.Args[1]
	prefix    string
	features  []feature
	id        = fmt.Sprintf("%08x", rand.Uint32())
	answers   = bufio.NewReader(os.Stdin)
)

type feature struct {
	name string
	run  func()
}

// Has adds what sees to a feature of features.txt; features run in the order in which they were added.
func Has(name string, run func()) {
	features = append(features, feature{name, run})
}

// Codecs are the names of the produce features' codecs.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// CodecFeature names the feature that sees to a codec.
func CodecFeature(codec string) string {
	if codec == "none" {
		return "produce_uncompressed"
	}
	return "produce_" + codec
}

// Main runs the features that the command line names after the bootstrap address, or all of them.
func Main(client string) {
	prefix = client
	failed := false
	for _, feature := range features {
		if len(os.Args) > 2 && !slices.Contains(os.Args[2:], feature.name) {
			continue
		}
		if reason := attempt(feature.run); reason != "" {
			failed = true
			fmt.Printf("FAIL %s: %s\n", feature.name, reason)
		} else {
			fmt.Printf("ok %s\n", feature.name)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func attempt(run func()) (reason string) {
	defer func() {
		if why := recover(); why != nil {
			os.Stderr.Write(debug.Stack())
			reason = strings.ReplaceAll(fmt.Sprint(why), "\n", " ")
		}
	}()
	run()
	return ""
}

// Name makes a topic or group name that no other run uses.
func Name(base string) string {
	return prefix + "-" + base + "-" + id
}

// Must fails the feature on an error.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Check fails the feature unless the condition holds.
func Check(holds bool, format string, args ...any) {
	if !holds {
		panic(fmt.Sprintf(format, args...))
	}
}

// Equal fails the feature unless both are deeply equal.
func Equal(want, got any, what string) {
	Check(reflect.DeepEqual(want, got), "%s: want %v, got %v", what, want, got)
}

// Same fails the feature unless both hold the same bytes, nil being different from empty.
func Same(want, got []byte, what string) {
	Check(bytes.Equal(want, got) && (want == nil) == (got == nil), "%s: want %q, got %q", what, want, got)
}

// Until waits for a condition, at most a minute.
func Until(what string, condition func() bool) {
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		Check(time.Now().Before(deadline), "timed out waiting until %s", what)
	}
}

// Restart has the node stopped and started; it serves again when this returns.
func Restart() {
	fmt.Println("restart")
	line, err := answers.ReadString('\n')
	Must(err)
	Equal("done", strings.TrimSpace(line), "the runner's answer")
}

// Restarting restarts the node while the caller goes on; what it gives is closed when the node serves again.
func Restarting() chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		Restart()
	}()
	return done
}

// Numbers checks that the values, with repetitions of the latest one left out, are the numbers below the count.
func Numbers(count int, values []string) {
	next := 0
	for i, value := range values {
		if i == 0 || value != values[i-1] {
			Equal(fmt.Sprint(next), value, "value")
			next++
		}
	}
	Equal(count, next, "values")
}
