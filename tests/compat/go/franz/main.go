// franz-go against a node: what an application does in a day.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	. "klamm.compat/suite"
)

var (
	ctx   = context.Background()
	admin *kadm.Client
)

func main() {
	admin = kadm.NewClient(client())
	Has("describe_cluster", describeCluster)
	Has("create_topics", createTopics)
	Has("create_partitions", createPartitions)
	Has("delete_topics", deleteTopics)
	Has("describe_configs", describeConfigs)
	Has("alter_configs", alterConfigs)
	Has("error_unknown_topic", errorUnknownTopic)
	Has("error_existing_topic", errorExistingTopic)
	Has("error_bad_config", errorBadConfig)
	Has("produce_idempotent", produceIdempotent)
	Has("keys_headers_timestamps", keysHeadersTimestamps)
	Has("large_records", largeRecords)
	Has("auto_created_topics", autoCreatedTopics)
	Has("consume_from_beginning", consumeFromBeginning)
	Has("consume_from_end", consumeFromEnd)
	Has("consume_from_timestamp", consumeFromTimestamp)
	Has("seek", seek)
	Has("list_offsets", listOffsets)
	Has("delete_records", deleteRecords)
	Has("regex_subscription", regexSubscription)
	Has("group_range", func() { rebalance("range", kgo.RangeBalancer()) })
	Has("group_round_robin", func() { rebalance("round-robin", kgo.RoundRobinBalancer()) })
	Has("group_sticky", func() { rebalance("sticky", kgo.StickyBalancer()) })
	Has("group_cooperative", func() { rebalance("cooperative", kgo.CooperativeStickyBalancer()) })
	Has("group_static", groupStatic)
	Has("commit_and_restart", commitAndRestart)
	Has("restart_in_the_middle", restartInTheMiddle)
	Has("list_groups", listGroups)
	Has("describe_groups", describeGroups)
	Has("delete_groups", deleteGroups)
	Has("group_offsets", groupOffsets)
	for _, codec := range Codecs {
		Has(CodecFeature(codec), func() { produceWith(codec) })
	}
	Main("franz")
}

func client(options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(Bootstrap),
		kgo.ProducerBatchMaxBytes(20_000_000),
		kgo.BrokerMaxWriteBytes(40_000_000),
		kgo.FetchMaxPartitionBytes(20_000_000),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(250 * time.Millisecond),
	}, options...)...)
	Must(err)
	return made
}

func value[T any](got T, err error) T {
	Must(err)
	return got
}

func create(topic string, partitions int32, configs map[string]*string) {
	Must(value(admin.CreateTopics(ctx, partitions, 1, configs, topic))[topic].Err)
	Until(topic+" is visible", func() bool { return len(value(admin.ListTopics(ctx, topic))[topic].Partitions) == int(partitions) })
}

func produce(records []*kgo.Record, options ...kgo.Opt) {
	producer := client(options...)
	defer producer.Close()
	Must(producer.ProduceSync(ctx, records...).FirstErr())
}

// rows are count records of a topic's only partition.
func rows(topic string, count int) []*kgo.Record {
	var made []*kgo.Record
	for i := range count {
		made = append(made, &kgo.Record{
			Topic:   topic,
			Key:     fmt.Appendf(nil, "k%d", i),
			Value:   []byte(strings.Repeat(fmt.Sprintf("value %d ", i), 20)),
			Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Appendf(nil, "%d", i)}},
		})
	}
	return made
}

func take(consumer *kgo.Client, count int) []*kgo.Record {
	var taken []*kgo.Record
	Until(fmt.Sprintf("%d records are there", count), func() bool {
		taken = append(taken, poll(consumer)...)
		return len(taken) >= count
	})
	Equal(count, len(taken), "records")
	return taken
}

func poll(consumer *kgo.Client) []*kgo.Record {
	bounded, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	fetches := consumer.PollFetches(bounded)
	for _, failed := range fetches.Errors() {
		Check(errors.Is(failed.Err, context.DeadlineExceeded), "%v", failed.Err)
	}
	return fetches.Records()
}

func from(topic string, offset kgo.Offset) *kgo.Client {
	return client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: offset}}))
}

func readAll(topic string, count int) []*kgo.Record {
	consumer := from(topic, kgo.NewOffset().AtStart())
	defer consumer.Close()
	return take(consumer, count)
}

func describeCluster() {
	found := value(admin.BrokerMetadata(ctx))
	Equal(1, len(found.Brokers), "brokers")
	Equal(found.Brokers[0].NodeID, found.Controller, "controller")
	Check(found.Cluster != "", "no cluster id")
}

func createTopics() {
	topic := Name("created")
	create(topic, 3, map[string]*string{"retention.ms": kadm.StringPtr("123456")})
	Check(value(admin.ListTopics(ctx)).Has(topic), "not listed")
}

func createPartitions() {
	topic := Name("grown")
	create(topic, 1, nil)
	Must(value(admin.UpdatePartitions(ctx, 5, topic))[topic].Err)
	Until("five partitions are visible", func() bool { return len(value(admin.ListTopics(ctx, topic))[topic].Partitions) == 5 })
}

func deleteTopics() {
	topic := Name("deleted")
	create(topic, 1, nil)
	Must(value(admin.DeleteTopics(ctx, topic))[topic].Err)
	Until("the topic is gone", func() bool { return !value(admin.ListTopics(ctx)).Has(topic) })
}

func configs(topic string) map[string]*kadm.Config {
	found := value(value(admin.DescribeTopicConfigs(ctx, topic)).On(topic, nil))
	Must(found.Err)
	byName := map[string]*kadm.Config{}
	for i := range found.Configs {
		byName[found.Configs[i].Key] = &found.Configs[i]
	}
	return byName
}

func describeConfigs() {
	topic := Name("described")
	create(topic, 1, map[string]*string{"retention.ms": kadm.StringPtr("123456")})
	found := configs(topic)
	Equal("123456", found["retention.ms"].MaybeValue(), "retention.ms")
	Equal("DYNAMIC_TOPIC_CONFIG", found["retention.ms"].Source.String(), "its source")
	Equal("1073741824", found["segment.bytes"].MaybeValue(), "segment.bytes")
	Equal("DEFAULT_CONFIG", found["segment.bytes"].Source.String(), "its source")
}

func alterConfigs() {
	topic := Name("altered")
	create(topic, 1, nil)
	for _, change := range []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "retention.bytes", Value: kadm.StringPtr("1000000")},
		{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")},
	} {
		Must(value(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic))[0].Err)
	}
	Until("both are set", func() bool {
		found := configs(topic)
		return found["retention.bytes"].MaybeValue() == "1000000" && found["cleanup.policy"].MaybeValue() == "delete,compact"
	})
	Must(value(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "retention.bytes"}}, topic))[0].Err)
	Until("the default is back", func() bool { return configs(topic)["retention.bytes"].MaybeValue() == "-1" })
}

func errorUnknownTopic() {
	topic := Name("unknown")
	Equal(error(kerr.UnknownTopicOrPartition), value(admin.ListTopics(ctx, topic))[topic].Err, "listing")
	Equal(error(kerr.UnknownTopicOrPartition), value(admin.DeleteTopics(ctx, topic))[topic].Err, "deleting")
	Equal(error(kerr.UnknownTopicOrPartition), value(value(admin.DescribeTopicConfigs(ctx, topic)).On(topic, nil)).Err, "describing configs")
}

func errorExistingTopic() {
	topic := Name("existing")
	create(topic, 1, nil)
	Equal(error(kerr.TopicAlreadyExists), value(admin.CreateTopics(ctx, 1, 1, nil, topic))[topic].Err, "created twice")
}

func errorBadConfig() {
	for _, config := range []map[string]*string{{"no.such.config": kadm.StringPtr("1")}, {"retention.ms": kadm.StringPtr("soon")}} {
		topic := Name("bad")
		Equal(error(kerr.InvalidConfig), value(admin.CreateTopics(ctx, 1, 1, config, topic))[topic].Err, "creating")
	}
	topic := Name("bad-altered")
	create(topic, 1, nil)
	bad := kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("soon")}
	Equal(error(kerr.InvalidConfig), value(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{bad}, topic))[0].Err, "altering")
}

func produceWith(codec string) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for name, acks := range map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()} {
		topic := Name(codec + "-" + name)
		create(topic, 1, nil)
		sent := rows(topic, 200)
		options := []kgo.Opt{kgo.ProducerBatchCompression(codecs[codec]), kgo.RequiredAcks(acks)}
		if name != "all" {
			options = append(options, kgo.DisableIdempotentWrite())
		}
		produce(sent, options...)
		for i, record := range readAll(topic, 200) {
			Equal(int64(i), record.Offset, "offset")
			Same(sent[i].Key, record.Key, "key")
			Same(sent[i].Value, record.Value, "value")
			Equal(sent[i].Headers, record.Headers, "headers")
			if name != "0" {
				Equal(int64(i), sent[i].Offset, "acknowledged offset")
			}
		}
	}
}

func produceIdempotent() {
	topic := Name("idempotent")
	create(topic, 1, nil)
	var sent []*kgo.Record
	for i := range 5000 {
		sent = append(sent, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)})
	}
	produce(sent, kgo.ProducerBatchMaxBytes(1000))
	for i, record := range readAll(topic, 5000) {
		Same(fmt.Append(nil, i), record.Value, "value")
		Check(record.ProducerID >= 0, "no producer id")
	}
}

func keysHeadersTimestamps() {
	topic := Name("fields")
	create(topic, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}) // the records are old
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "empty", Value: []byte{}}, {Key: "null"}, {Key: "\u00fc", Value: []byte{0, 255}}}
	at := func(i int64) time.Time { return time.UnixMilli(1_700_000_000_000 + i*1000) }
	sent := []*kgo.Record{
		{Topic: topic, Timestamp: at(3)},
		{Topic: topic, Timestamp: at(1), Key: []byte{}, Value: []byte{}, Headers: headers},
		{Topic: topic, Timestamp: at(2), Key: []byte("k")},
		{Topic: topic, Timestamp: at(0), Value: []byte("v"), Headers: headers},
	}
	produce(sent)
	for i, record := range readAll(topic, 4) {
		Same(sent[i].Key, record.Key, "key")
		Same(sent[i].Value, record.Value, "value")
		Equal(len(sent[i].Headers), len(record.Headers), "headers")
		for at, header := range sent[i].Headers {
			Equal(header.Key, record.Headers[at].Key, "header's key")
			Same(header.Value, record.Headers[at].Value, "header's value")
		}
		Equal(sent[i].Timestamp.UnixMilli(), record.Timestamp.UnixMilli(), "timestamp")
	}
}

func largeRecords() {
	topic, small := Name("large"), Name("small")
	create(topic, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("16000000")})
	large := []byte(strings.Repeat("x", 10_000_000))
	produce([]*kgo.Record{{Topic: topic, Value: large}, {Topic: topic, Value: large}}, kgo.ProducerBatchCompression(kgo.NoCompression()))
	for _, record := range readAll(topic, 2) {
		Check(string(record.Value) == string(large), "the value is another")
	}
	create(small, 1, map[string]*string{"max.message.bytes": kadm.StringPtr("1000")})
	producer := client(kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer producer.Close()
	refused := producer.ProduceSync(ctx, &kgo.Record{Topic: small, Value: large[:5000]}).FirstErr()
	Check(errors.Is(refused, kerr.MessageTooLarge), "a record above max.message.bytes: %v", refused)
}

func autoCreatedTopics() {
	topic := Name("auto")
	produce([]*kgo.Record{{Topic: topic, Value: []byte("first")}}, kgo.AllowAutoTopicCreation())
	Same([]byte("first"), readAll(topic, 1)[0].Value, "value")
}

func consumeFromBeginning() {
	topic := Name("beginning")
	create(topic, 1, nil)
	produce(rows(topic, 100))
	Equal(int64(0), readAll(topic, 100)[0].Offset, "first offset")
}

func consumeFromEnd() {
	topic := Name("end")
	create(topic, 1, nil)
	produce(rows(topic, 10))
	consumer := from(topic, kgo.NewOffset().AtEnd())
	defer consumer.Close()
	// The end is looked up by the first poll, so records are sent until one arrives: none of them may be an old one.
	var taken []*kgo.Record
	Until("a new record arrives", func() bool {
		taken = poll(consumer)
		if len(taken) == 0 {
			produce(rows(topic, 1))
		}
		return len(taken) > 0
	})
	Check(taken[0].Offset >= 10, "an old record: offset %d", taken[0].Offset)
}

// times makes a topic of ten records a second apart.
func times(topic string) {
	create(topic, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}) // the records are old
	for i := range int64(10) {
		produce([]*kgo.Record{{Topic: topic, Timestamp: time.UnixMilli(1_700_000_000_000 + i*1000), Value: fmt.Append(nil, i)}})
	}
}

func consumeFromTimestamp() {
	topic := Name("moment")
	times(topic)
	consumer := from(topic, kgo.NewOffset().AfterMilli(1_700_000_004_500))
	defer consumer.Close()
	Equal(int64(5), take(consumer, 5)[0].Offset, "first offset")
}

func seek() {
	topic := Name("jumps")
	create(topic, 1, nil)
	produce(rows(topic, 100))
	consumer := from(topic, kgo.NewOffset().At(20))
	defer consumer.Close()
	Equal(int64(20), take(consumer, 80)[0].Offset, "first offset")
	for _, offset := range []int64{50, 5, 99} {
		consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: offset}}})
		Equal(offset, take(consumer, 100-int(offset))[0].Offset, "first offset")
	}
}

func listOffsets() {
	topic := Name("offsets")
	times(topic)
	at := func(listed kadm.ListedOffsets, err error) int64 {
		Must(err)
		Must(listed.Error())
		return listed[topic][0].Offset
	}
	Equal(int64(0), at(admin.ListStartOffsets(ctx, topic)), "start")
	Equal(int64(10), at(admin.ListEndOffsets(ctx, topic)), "end")
	Equal(int64(5), at(admin.ListOffsetsAfterMilli(ctx, 1_700_000_004_500, topic)), "in the middle")
	Equal(int64(10), at(admin.ListOffsetsAfterMilli(ctx, 1_700_000_009_001, topic)), "past the end")
	greatest := value(admin.ListMaxTimestampOffsets(ctx, topic))[topic][0]
	Equal(int64(9), greatest.Offset, "the greatest timestamp's offset")
	Equal(int64(1_700_000_009_000), greatest.Timestamp, "the greatest timestamp")
}

func deleteRecords() {
	topic := Name("shortened")
	create(topic, 1, nil)
	produce(rows(topic, 100))
	upTo := kadm.Offsets{}
	upTo.AddOffset(topic, 0, 40, -1)
	deleted := value(admin.DeleteRecords(ctx, upTo))[topic][0]
	Must(deleted.Err)
	Equal(int64(40), deleted.LowWatermark, "low watermark")
	Equal(int64(40), readAll(topic, 60)[0].Offset, "first offset")
}

// member is a consumer of a group that keeps book of its partitions.
type member struct {
	*kgo.Client
	owned map[int32]bool
}

func join(topic, group string, options ...kgo.Opt) *member {
	joined := &member{owned: map[int32]bool{}}
	joined.Client = client(append([]kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), // so that the hooks run between polls and `owned` needs no lock
		kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.SessionTimeout(6 * time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) {
			for _, partition := range assigned[topic] {
				joined.owned[partition] = true
			}
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
			for _, partition := range revoked[topic] {
				delete(joined.owned, partition)
			}
		}),
	}, options...)...)
	return joined
}

// owns polls once and tells how many partitions the member then has.
func (m *member) owns() int {
	poll(m.Client)
	held := len(m.owned)
	m.AllowRebalance()
	return held
}

// take polls until the count is there, and takes no more. What fails on the way, the client tries again.
func (m *member) take(count int) []*kgo.Record {
	var taken []*kgo.Record
	Until(fmt.Sprintf("%d records are there", count), func() bool {
		bounded, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		taken = append(taken, m.PollRecords(bounded, count-len(taken)).Records()...)
		m.AllowRebalance()
		return len(taken) == count
	})
	return taken
}

func regexSubscription() {
	base := Name("pattern")
	for _, topic := range []string{base + ".1", base + ".2", "not-" + base} {
		create(topic, 1, nil)
		produce(rows(topic, 1))
	}
	consumer := client(kgo.ConsumeRegex(), kgo.ConsumeTopics("^"+base+"[.].$"), kgo.ConsumerGroup(base), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(300*time.Millisecond))
	defer consumer.Close()
	seen := map[string]bool{}
	sees := func(count int) bool { // what is not committed is read again after a rebalance
		for _, record := range poll(consumer) {
			seen[record.Topic] = true
		}
		return len(seen) == count
	}
	Until("two topics are read", func() bool { return sees(2) })
	create(base+".3", 1, nil)
	produce(rows(base+".3", 1))
	Until("the new one is read", func() bool { return sees(3) })
	Equal(map[string]bool{base + ".1": true, base + ".2": true, base + ".3": true}, seen, "topics")
}

func rebalance(base string, balancer kgo.GroupBalancer) {
	topic, group := Name(base), Name(base)
	create(topic, 6, nil)
	first := join(topic, group, kgo.Balancers(balancer))
	defer first.CloseAllowingRebalance()
	Until("the first has all", func() bool { return first.owns() == 6 })
	second := join(topic, group, kgo.Balancers(balancer))
	Until("they share", func() bool { return first.owns() == 3 && second.owns() == 3 })
	for partition := range first.owned {
		Check(!second.owned[partition], "both have partition %d", partition)
	}
	second.CloseAllowingRebalance()
	Until("the first has all again", func() bool { return first.owns() == 6 })
}

func groupStatic() {
	topic, group := Name("static"), Name("static")
	create(topic, 2, nil)
	generation := func() int32 {
		consumer := join(topic, group, kgo.InstanceID("one"), kgo.SessionTimeout(30*time.Second))
		defer consumer.CloseAllowingRebalance()
		Until("all is assigned", func() bool { return consumer.owns() == 2 })
		_, generation := consumer.GroupMetadata()
		return generation
	}
	Equal(generation(), generation(), "generation: a static member came back")
}

func commitAndRestart() {
	topic, group := Name("resume"), Name("resume")
	create(topic, 1, nil)
	produce(rows(topic, 100))
	consumer := join(topic, group)
	taken := consumer.take(60)
	Must(consumer.CommitRecords(ctx, taken...))
	consumer.CloseAllowingRebalance()
	Restart()
	var found kadm.OffsetResponses
	Until("the coordinator answers", func() bool {
		var err error
		found, err = admin.FetchOffsets(ctx, group)
		return err == nil
	})
	Equal(int64(60), found[topic][0].At, "committed")
	again := join(topic, group)
	defer again.CloseAllowingRebalance()
	Equal(int64(60), again.take(40)[0].Offset, "resumed at")
	produce([]*kgo.Record{{Topic: topic, Value: []byte("after")}})
	Same([]byte("after"), readAll(topic, 101)[100].Value, "the record after the restart")
}

func restartInTheMiddle() {
	topic := Name("middle")
	create(topic, 1, nil)
	producer := client()
	defer producer.Close()
	consumer := join(topic, topic)
	defer consumer.CloseAllowingRebalance()
	failed := make(chan error, 400)
	send := func(i int) {
		producer.Produce(ctx, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) { failed <- err })
	}
	for i := range 100 {
		send(i)
	}
	taken := consumer.take(100)
	Must(consumer.CommitRecords(ctx, taken...))
	done := Restarting()
	for i := 100; i < 400; i++ {
		send(i)
		time.Sleep(2 * time.Millisecond)
	}
	<-done
	for range 400 {
		Must(<-failed)
	}
	taken = append(taken, consumer.take(300)...)
	for i, record := range taken {
		Same(fmt.Append(nil, i), record.Value, "value")
	}
}

func listGroups() {
	topic, group := Name("listed"), Name("listed")
	create(topic, 1, nil)
	consumer := join(topic, group)
	defer consumer.CloseAllowingRebalance()
	Until("all is assigned", func() bool { return consumer.owns() == 1 })
	listed := value(admin.ListGroups(ctx))[group]
	Equal("consumer", listed.ProtocolType, "protocol type")
	Equal("Stable", listed.State, "state")
	_, there := value(admin.ListGroups(ctx, "Empty"))[group]
	Check(!there, "a stable group is listed among the empty ones")
}

func describeGroups() {
	topic, group := Name("members"), Name("members")
	create(topic, 2, nil)
	consumer := join(topic, group, kgo.ClientID("describer"))
	defer consumer.CloseAllowingRebalance()
	Until("all is assigned", func() bool { return consumer.owns() == 2 })
	found := value(admin.DescribeGroups(ctx, group))[group]
	Equal("Stable", found.State, "state")
	Equal(1, len(found.Members), "members")
	Equal("describer", found.Members[0].ClientID, "client id")
	Equal("/127.0.0.1", found.Members[0].ClientHost, "host")
	assigned, _ := found.Members[0].Assigned.AsConsumer()
	Equal(2, len(assigned.Topics[0].Partitions), "assigned partitions")
	Equal("Dead", value(admin.DescribeGroups(ctx, Name("nowhere")))[Name("nowhere")].State, "state of no group")
}

func deleteGroups() {
	topic, group := Name("gone"), Name("gone")
	create(topic, 1, nil)
	consumer := join(topic, group)
	Until("all is assigned", func() bool { return consumer.owns() == 1 })
	Equal(error(kerr.NonEmptyGroup), value(admin.DeleteGroups(ctx, group))[group].Err, "deleted with members")
	consumer.CloseAllowingRebalance()
	Must(value(admin.DeleteGroups(ctx, group))[group].Err)
	_, there := value(admin.ListGroups(ctx))[group]
	Check(!there, "still listed")
	Equal(error(kerr.GroupIDNotFound), value(admin.DeleteGroups(ctx, group))[group].Err, "deleted twice")
}

func groupOffsets() {
	topic, group := Name("moved"), Name("moved")
	create(topic, 1, nil)
	produce(rows(topic, 10))
	Must(admin.CommitAllOffsets(ctx, group, kadm.OffsetsList{{Topic: topic, At: 3, LeaderEpoch: -1, Metadata: "noted"}}.Offsets()))
	found := value(admin.FetchOffsets(ctx, group))[topic][0]
	Equal(int64(3), found.At, "offset")
	Equal("noted", found.Metadata, "metadata")
	consumer := join(topic, group)
	Equal(int64(3), consumer.take(7)[0].Offset, "first offset")
	consumer.CloseAllowingRebalance()
	set := kadm.TopicsSet{}
	set.Add(topic, 0)
	Must(value(admin.DeleteOffsets(ctx, group, set)).Error())
	_, there := value(admin.FetchOffsets(ctx, group)).Lookup(topic, 0)
	Check(!there, "the offset is still there")
}
