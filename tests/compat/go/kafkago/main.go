// kafka-go against a node: what an application does in a day.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	. "klamm.compat/suite"
)

var (
	ctx       = context.Background()
	transport = &kafka.Transport{MetadataTTL: 100 * time.Millisecond} // it answers from a cache, new topics are not in it
	client    = &kafka.Client{Addr: kafka.TCP(Bootstrap), Transport: transport, Timeout: 30 * time.Second}
)

func main() {
	Has("describe_cluster", describeCluster)
	Has("create_topics", createTopics)
	Has("create_partitions", createPartitions)
	Has("delete_topics", deleteTopics)
	Has("describe_configs", describeConfigs)
	Has("alter_configs", alterConfigs)
	Has("error_unknown_topic", errorUnknownTopic)
	Has("error_existing_topic", errorExistingTopic)
	Has("error_bad_config", errorBadConfig)
	for _, codec := range Codecs {
		Has(CodecFeature(codec), func() { produceWith(codec) })
	}
	Has("keys_headers_timestamps", keysHeadersTimestamps)
	Has("large_records", largeRecords)
	Has("auto_created_topics", autoCreatedTopics)
	Has("consume_from_beginning", consumeFromBeginning)
	Has("consume_from_end", consumeFromEnd)
	Has("consume_from_timestamp", consumeFromTimestamp)
	Has("seek", seek)
	Has("list_offsets", listOffsets)
	Has("group_range", func() { rebalance("range", kafka.RangeGroupBalancer{}) })
	Has("group_round_robin", func() { rebalance("round-robin", kafka.RoundRobinGroupBalancer{}) })
	Has("commit_and_restart", commitAndRestart)
	Has("restart_in_the_middle", restartInTheMiddle)
	Has("list_groups", listGroups)
	Has("describe_groups", describeGroups)
	Has("delete_groups", deleteGroups)
	Has("group_offsets", groupOffsets)
	Main("kafkago")
}

func value[T any](got T, err error) T {
	Must(err)
	return got
}

func create(topic string, partitions int, configs ...kafka.ConfigEntry) {
	Must(tryCreate(topic, partitions, configs...))
	Until(topic+" is visible", func() bool { return topicOf(topic).Error == nil && len(topicOf(topic).Partitions) == partitions })
}

func tryCreate(topic string, partitions int, configs ...kafka.ConfigEntry) error {
	request := &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}}}
	return value(client.CreateTopics(ctx, request)).Errors[topic]
}

func topicOf(topic string) kafka.Topic {
	return value(client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})).Topics[0]
}

func config(name, value string) kafka.ConfigEntry {
	return kafka.ConfigEntry{ConfigName: name, ConfigValue: value}
}

func writer(topic string) *kafka.Writer {
	return &kafka.Writer{Addr: kafka.TCP(Bootstrap), Topic: topic, Transport: transport, BatchTimeout: 5 * time.Millisecond, BatchBytes: 20_000_000, RequiredAcks: kafka.RequireAll}
}

func produce(topic string, sent ...kafka.Message) {
	producer := writer(topic)
	defer producer.Close()
	Must(producer.WriteMessages(ctx, sent...))
}

// rows are count records.
func rows(count int) []kafka.Message {
	var made []kafka.Message
	for i := range count {
		made = append(made, kafka.Message{
			Key:     fmt.Appendf(nil, "k%d", i),
			Value:   []byte(strings.Repeat(fmt.Sprintf("value %d ", i), 20)),
			Headers: []kafka.Header{{Key: "n", Value: fmt.Append(nil, i)}},
		})
	}
	return made
}

func reader(topic string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Bootstrap}, Topic: topic, MaxBytes: 20_000_000, MaxWait: 100 * time.Millisecond})
}

func take(from *kafka.Reader, count int) []kafka.Message {
	bounded, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var taken []kafka.Message
	for len(taken) < count {
		taken = append(taken, value(from.FetchMessage(bounded)))
	}
	return taken
}

func readAll(topic string, count int) []kafka.Message {
	from := reader(topic)
	defer from.Close()
	taken := take(from, count)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := from.FetchMessage(short)
	Check(errors.Is(err, context.DeadlineExceeded), "more than was sent: %v", err)
	return taken
}

func describeCluster() {
	found := value(client.Metadata(ctx, &kafka.MetadataRequest{}))
	Equal(1, len(found.Brokers), "brokers")
	Equal(found.Brokers[0].ID, found.Controller.ID, "controller")
	Check(found.ClusterID != "", "no cluster id")
	Check(len(value(client.ApiVersions(ctx, &kafka.ApiVersionsRequest{})).ApiKeys) > 20, "few APIs")
}

func createTopics() {
	topic := Name("created")
	create(topic, 3, config("retention.ms", "123456"))
	Equal(3, len(topicOf(topic).Partitions), "partitions")
}

func createPartitions() {
	topic := Name("grown")
	create(topic, 1)
	request := &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 5}}}
	Must(value(client.CreatePartitions(ctx, request)).Errors[topic])
	Until("five partitions are visible", func() bool { return len(topicOf(topic).Partitions) == 5 })
}

func deleteTopics() {
	topic := Name("deleted")
	create(topic, 1)
	Must(value(client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})).Errors[topic])
	Until("the topic is gone", func() bool { return errors.Is(topicOf(topic).Error, kafka.UnknownTopicOrPartition) })
}

func configs(topic string) map[string]kafka.DescribeConfigResponseConfigEntry {
	request := &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}}}
	found := value(client.DescribeConfigs(ctx, request)).Resources[0]
	Must(found.Error)
	byName := map[string]kafka.DescribeConfigResponseConfigEntry{}
	for _, entry := range found.ConfigEntries {
		byName[entry.ConfigName] = entry
	}
	return byName
}

func describeConfigs() {
	topic := Name("described")
	create(topic, 1, config("retention.ms", "123456"))
	found := configs(topic)
	Equal("123456", found["retention.ms"].ConfigValue, "retention.ms")
	Equal(int8(1), found["retention.ms"].ConfigSource, "its source, the topic")
	Equal("1073741824", found["segment.bytes"].ConfigValue, "segment.bytes")
	Equal(int8(5), found["segment.bytes"].ConfigSource, "its source, the default")
}

func alterConfigs() {
	topic := Name("altered")
	create(topic, 1)
	request := &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{{
		ResourceType: kafka.ResourceTypeTopic,
		ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{
			{Name: "retention.bytes", Value: "1000000", ConfigOperation: kafka.ConfigOperationSet},
			{Name: "cleanup.policy", Value: "compact", ConfigOperation: kafka.ConfigOperationAppend},
		},
	}}}
	Must(value(client.IncrementalAlterConfigs(ctx, request)).Resources[0].Error)
	Until("both are set", func() bool {
		found := configs(topic)
		return found["retention.bytes"].ConfigValue == "1000000" && found["cleanup.policy"].ConfigValue == "delete,compact"
	})
}

func errorUnknownTopic() {
	topic := Name("unknown")
	Check(errors.Is(topicOf(topic).Error, kafka.UnknownTopicOrPartition), "metadata: %v", topicOf(topic).Error)
	refused := value(client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})).Errors[topic]
	Check(errors.Is(refused, kafka.UnknownTopicOrPartition), "deleting: %v", refused)
}

func errorExistingTopic() {
	topic := Name("existing")
	create(topic, 1)
	refused := tryCreate(topic, 1)
	Check(errors.Is(refused, kafka.TopicAlreadyExists), "created twice: %v", refused)
}

func errorBadConfig() {
	for _, bad := range []kafka.ConfigEntry{config("no.such.config", "1"), config("retention.ms", "soon")} {
		refused := tryCreate(Name("bad"), 1, bad)
		Check(errors.Is(refused, kafka.InvalidConfiguration), "creating: %v", refused)
	}
}

func produceWith(codec string) {
	codecs := map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	for name, acks := range map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne, "all": kafka.RequireAll} {
		topic := Name(codec + "-" + name)
		create(topic, 1)
		producer := writer(topic)
		producer.Compression = codecs[codec]
		producer.RequiredAcks = acks
		sent := rows(200)
		Must(producer.WriteMessages(ctx, sent...))
		for i, message := range readAll(topic, 200) {
			Equal(int64(i), message.Offset, "offset")
			Same(sent[i].Key, message.Key, "key")
			Same(sent[i].Value, message.Value, "value")
			Equal(sent[i].Headers, message.Headers, "headers")
		}
		Must(producer.Close())
	}
}

func keysHeadersTimestamps() {
	topic := Name("fields")
	create(topic, 1, config("retention.ms", "-1")) // the records are old
	headers := []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte("2")}, {Key: "\u00fc", Value: []byte{0, 255}}}
	at := func(i int64) time.Time { return time.UnixMilli(1_700_000_000_000 + i*1000) }
	sent := []kafka.Message{
		{Time: at(3)},
		{Time: at(1), Key: []byte("k"), Headers: headers},
		{Time: at(2), Value: []byte("v"), Headers: headers},
	}
	produce(topic, sent...)
	for i, message := range readAll(topic, 3) {
		Equal(string(sent[i].Key), string(message.Key), "key")
		Equal(string(sent[i].Value), string(message.Value), "value")
		Equal(sent[i].Time.UnixMilli(), message.Time.UnixMilli(), "timestamp")
		Equal(len(sent[i].Headers), len(message.Headers), "headers")
		for at, header := range sent[i].Headers {
			Equal(header, message.Headers[at], "header")
		}
	}
}

func largeRecords() {
	topic, small := Name("large"), Name("small")
	create(topic, 1, config("max.message.bytes", "16000000"))
	large := []byte(strings.Repeat("x", 10_000_000))
	produce(topic, kafka.Message{Value: large}, kafka.Message{Value: large})
	for _, message := range readAll(topic, 2) {
		Check(string(message.Value) == string(large), "the value is another")
	}
	create(small, 1, config("max.message.bytes", "1000"))
	producer := writer(small)
	defer producer.Close()
	refused := producer.WriteMessages(ctx, kafka.Message{Value: large[:5000]})
	var each kafka.WriteErrors
	Check(errors.As(refused, &each) && errors.Is(each[0], kafka.MessageSizeTooLarge), "a record above max.message.bytes: %v", refused)
}

func autoCreatedTopics() {
	topic := Name("auto")
	producer := writer(topic)
	producer.AllowAutoTopicCreation = true
	defer producer.Close()
	Until("the topic is there", func() bool { // kafka-go hands it to the application that the topic has no leader yet
		err := producer.WriteMessages(ctx, kafka.Message{Value: []byte("first")})
		Check(err == nil || errors.Is(err, kafka.UnknownTopicOrPartition) || errors.Is(err, kafka.LeaderNotAvailable), "%v", err)
		return err == nil
	})
	Same([]byte("first"), readAll(topic, 1)[0].Value, "value")
}

func consumeFromBeginning() {
	topic := Name("beginning")
	create(topic, 1)
	produce(topic, rows(100)...)
	Equal(int64(0), readAll(topic, 100)[0].Offset, "first offset")
}

func consumeFromEnd() {
	topic := Name("end")
	create(topic, 1)
	produce(topic, rows(10)...)
	from := reader(topic)
	defer from.Close()
	Must(from.SetOffset(kafka.LastOffset))
	// The end is looked up by the first fetch, so records are sent until one arrives: none of them may be an old one.
	var taken kafka.Message
	Until("a new record arrives", func() bool {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		var err error
		if taken, err = from.FetchMessage(short); err != nil {
			produce(topic, rows(1)...)
		}
		return err == nil
	})
	Check(taken.Offset >= 10, "an old record: offset %d", taken.Offset)
}

// times makes a topic of ten records a second apart.
func times(topic string) {
	create(topic, 1, config("retention.ms", "-1")) // the records are old
	for i := range int64(10) {
		produce(topic, kafka.Message{Time: time.UnixMilli(1_700_000_000_000 + i*1000), Value: fmt.Append(nil, i)})
	}
}

func consumeFromTimestamp() {
	topic := Name("moment")
	times(topic)
	from := reader(topic)
	defer from.Close()
	Must(from.SetOffsetAt(ctx, time.UnixMilli(1_700_000_004_500)))
	Equal(int64(5), take(from, 5)[0].Offset, "first offset")
}

func seek() {
	topic := Name("jumps")
	create(topic, 1)
	produce(topic, rows(100)...)
	from := reader(topic)
	defer from.Close()
	for _, offset := range []int64{20, 50, 5, 99} {
		Must(from.SetOffset(offset))
		Equal(offset, take(from, 1)[0].Offset, "first offset")
	}
}

func listOffsets() {
	topic := Name("offsets")
	times(topic)
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0), kafka.TimeOffsetOf(0, time.UnixMilli(1_700_000_004_500))}}}
	found := value(client.ListOffsets(ctx, request)).Topics[topic][0]
	Must(found.Error)
	Equal(int64(0), found.FirstOffset, "start")
	Equal(int64(10), found.LastOffset, "end")
	_, there := found.Offsets[5]
	Check(there, "in the middle: %v", found.Offsets)
}

func groupReader(topic, group string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{Bootstrap}, GroupID: group, Topic: topic, MaxWait: 100 * time.Millisecond, StartOffset: kafka.FirstOffset, HeartbeatInterval: 200 * time.Millisecond, JoinGroupBackoff: 100 * time.Millisecond})
}

// member is in a group and tells of its assignments; it reads nothing.
type member struct {
	*kafka.ConsumerGroup
	topic string
	owned int
}

func join(topic, group string, balancers ...kafka.GroupBalancer) *member {
	joined := value(kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: group, GroupBalancers: balancers, Brokers: []string{Bootstrap}, Topics: []string{topic}, HeartbeatInterval: 100 * time.Millisecond, SessionTimeout: 6 * time.Second, JoinGroupBackoff: 100 * time.Millisecond, StartOffset: kafka.FirstOffset}))
	return &member{ConsumerGroup: joined, topic: topic}
}

// owns looks for a new generation and tells how many partitions the member then has.
func (m *member) owns() int {
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if generation, err := m.Next(short); err == nil {
		m.owned = len(generation.Assignments[m.topic])
	}
	return m.owned
}

func rebalance(base string, balancer kafka.GroupBalancer) {
	topic, group := Name(base), Name(base)
	create(topic, 6)
	first := join(topic, group, balancer)
	defer first.Close()
	Until("the first has all", func() bool { return first.owns() == 6 })
	second := join(topic, group, balancer)
	Until("they share", func() bool { return first.owns() == 3 && second.owns() == 3 })
	Must(second.Close())
	Until("the first has all again", func() bool { return first.owns() == 6 })
}

func committed(group, topic string) kafka.OffsetFetchPartition {
	found := value(client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}}))
	Must(found.Error)
	return found.Topics[topic][0]
}

func commitAndRestart() {
	topic, group := Name("resume"), Name("resume")
	create(topic, 1)
	produce(topic, rows(100)...)
	consumer := groupReader(topic, group)
	Must(consumer.CommitMessages(ctx, take(consumer, 60)...))
	Must(consumer.Close())
	Restart()
	Until("the coordinator answers", func() bool {
		found, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
		return err == nil && found.Error == nil
	})
	Equal(int64(60), committed(group, topic).CommittedOffset, "committed")
	again := groupReader(topic, group)
	Equal(int64(60), take(again, 40)[0].Offset, "resumed at")
	Must(again.Close())
	produce(topic, kafka.Message{Value: []byte("after")})
	Same([]byte("after"), readAll(topic, 101)[100].Value, "the record after the restart")
}

func restartInTheMiddle() {
	topic := Name("middle")
	create(topic, 1)
	producer, from := writer(topic), reader(topic)
	defer producer.Close()
	defer from.Close()
	send := func(i int) {
		Until("it is sent", func() bool { // after ten attempts kafka-go hands it to the application that the node is gone
			return producer.WriteMessages(ctx, kafka.Message{Value: fmt.Append(nil, i)}) == nil
		})
	}
	for i := range 50 {
		send(i)
	}
	taken := take(from, 50)
	done := Restarting()
	for i := 50; i < 100; i++ {
		send(i)
	}
	<-done
	for i := 100; i < 150; i++ {
		send(i)
	}
	Until("the last record is there", func() bool { // the reader hands it to the application too
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if message, err := from.FetchMessage(bounded); err == nil {
			taken = append(taken, message)
		}
		return string(taken[len(taken)-1].Value) == "149"
	})
	var values []string
	for _, message := range taken {
		values = append(values, string(message.Value))
	}
	Numbers(150, values)
}

func isListed(group string) bool {
	for _, listed := range value(client.ListGroups(ctx, &kafka.ListGroupsRequest{})).Groups {
		if listed.GroupID == group {
			Equal("consumer", listed.ProtocolType, "protocol type")
			return true
		}
	}
	return false
}

func listGroups() {
	topic, group := Name("listed"), Name("listed")
	create(topic, 1)
	joined := join(topic, group)
	defer joined.Close()
	Until("all is assigned", func() bool { return joined.owns() == 1 })
	Check(isListed(group), "not listed")
}

func describeGroups() {
	topic, group := Name("members"), Name("members")
	create(topic, 2)
	joined := join(topic, group)
	defer joined.Close()
	Until("all is assigned", func() bool { return joined.owns() == 2 })
	found := value(client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})).Groups[0]
	Equal("Stable", found.GroupState, "state")
	Equal(1, len(found.Members), "members")
	Equal([]string{topic}, found.Members[0].MemberMetadata.Topics, "subscription")
	Equal(2, len(found.Members[0].MemberAssignments.Topics[0].Partitions), "assigned partitions")
}

func deleteGroups() {
	topic, group := Name("gone"), Name("gone")
	create(topic, 1)
	joined := join(topic, group)
	Until("all is assigned", func() bool { return joined.owns() == 1 })
	remove := func() error {
		return value(client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})).Errors[group]
	}
	refused := remove()
	Check(errors.Is(refused, kafka.NonEmptyGroup), "deleted with members: %v", refused)
	Must(joined.Close())
	Must(remove())
	Check(!isListed(group), "still listed")
}

func groupOffsets() {
	topic, group := Name("moved"), Name("moved")
	create(topic, 1)
	produce(topic, rows(10)...)
	request := &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 3, Metadata: "noted"}}}}
	Must(value(client.OffsetCommit(ctx, request)).Topics[topic][0].Error)
	Equal(int64(3), committed(group, topic).CommittedOffset, "offset")
	Equal("noted", committed(group, topic).Metadata, "metadata")
	consumer := groupReader(topic, group)
	Equal(int64(3), take(consumer, 7)[0].Offset, "first offset")
	Must(consumer.Close())
	Must(value(client.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})).Topics[topic][0].Error)
	Equal(int64(-1), committed(group, topic).CommittedOffset, "offset after its deletion")
}
