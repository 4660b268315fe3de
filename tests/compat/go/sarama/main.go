// sarama against a node: what an application does in a day.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	. "klamm.compat/suite"
)

var admin sarama.ClusterAdmin

func main() {
	admin = value(sarama.NewClusterAdmin([]string{Bootstrap}, config()))
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
	Has("group_range", func() { rebalance("range", sarama.NewBalanceStrategyRange()) })
	Has("group_round_robin", func() { rebalance("round-robin", sarama.NewBalanceStrategyRoundRobin()) })
	Has("group_sticky", func() { rebalance("sticky", sarama.NewBalanceStrategySticky()) })
	Has("group_cooperative", func() { rebalance("cooperative", sarama.NewBalanceStrategyCooperativeSticky()) })
	Has("group_static", groupStatic)
	Has("commit_and_restart", commitAndRestart)
	Has("restart_in_the_middle", restartInTheMiddle)
	Has("list_groups", listGroups)
	Has("describe_groups", describeGroups)
	Has("delete_groups", deleteGroups)
	Has("group_offsets", groupOffsets)
	Main("sarama")
}

func value[T any](got T, err error) T {
	Must(err)
	return got
}

func config() *sarama.Config {
	made := sarama.NewConfig()
	made.Version = sarama.MaxVersion
	made.Producer.Return.Successes = true
	made.Producer.Partitioner = sarama.NewManualPartitioner
	made.Producer.MaxMessageBytes = 20_000_000
	made.Producer.Retry.Max = 50 // a node that was just restarted may need a while
	made.Metadata.Retry.Max = 50
	made.Consumer.Fetch.Default = 20_000_000
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Offsets.AutoCommit.Enable = false
	made.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	made.Consumer.Group.Session.Timeout = 6 * time.Second
	return made
}

func create(topic string, partitions int32, entries map[string]*string) {
	Must(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: entries}, false))
	Until(topic+" is visible", func() bool { return len(described(topic).Partitions) == int(partitions) })
}

func text(value string) *string { return &value }

func produce(sent []*sarama.ProducerMessage, change func(*sarama.Config)) error {
	made := config()
	if change != nil {
		change(made)
	}
	producer := value(sarama.NewSyncProducer([]string{Bootstrap}, made))
	defer producer.Close()
	return producer.SendMessages(sent)
}

// rows are count records of a topic's only partition.
func rows(topic string, count int) []*sarama.ProducerMessage {
	var made []*sarama.ProducerMessage
	for i := range count {
		made = append(made, &sarama.ProducerMessage{
			Topic:   topic,
			Key:     sarama.StringEncoder(fmt.Sprintf("k%d", i)),
			Value:   sarama.StringEncoder(strings.Repeat(fmt.Sprintf("value %d ", i), 20)),
			Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: fmt.Append(nil, i)}},
		})
	}
	return made
}

func takeFrom(consumer sarama.PartitionConsumer, count int) []*sarama.ConsumerMessage {
	var taken []*sarama.ConsumerMessage
	late := time.After(time.Minute)
	for len(taken) < count {
		select {
		case message := <-consumer.Messages():
			taken = append(taken, message)
		case <-late:
			Check(false, "timed out with %d of %d records", len(taken), count)
		}
	}
	select {
	case message := <-consumer.Messages():
		Check(false, "a record beyond those sent: offset %d", message.Offset)
	case <-time.After(100 * time.Millisecond):
	}
	return taken
}

func read(topic string, offset int64, count int) []*sarama.ConsumerMessage {
	consumer := value(sarama.NewConsumer([]string{Bootstrap}, config()))
	defer consumer.Close()
	partition := value(consumer.ConsumePartition(topic, 0, offset))
	defer partition.Close()
	return takeFrom(partition, count)
}

func readAll(topic string, count int) []*sarama.ConsumerMessage {
	return read(topic, sarama.OffsetOldest, count)
}

func describeCluster() {
	brokers, controller, err := admin.DescribeCluster()
	Must(err)
	Equal(1, len(brokers), "brokers")
	Equal(brokers[0].ID(), controller, "controller")
	Equal(1, len(value(admin.DescribeLogDirs([]int32{controller}))[controller]), "log directories")
}

func described(topic string) *sarama.TopicMetadata {
	found := value(admin.DescribeTopics([]string{topic}))
	Equal(1, len(found), "topics described")
	return found[0]
}

func createTopics() {
	topic := Name("created")
	create(topic, 3, map[string]*string{"retention.ms": text("123456")})
	listed, there := value(admin.ListTopics())[topic]
	Check(there, "not listed")
	Equal("123456", *listed.ConfigEntries["retention.ms"], "retention.ms")
}

func createPartitions() {
	topic := Name("grown")
	create(topic, 1, nil)
	Must(admin.CreatePartitions(topic, 5, nil, false))
	Until("five partitions are visible", func() bool { return len(described(topic).Partitions) == 5 })
}

func deleteTopics() {
	topic := Name("deleted")
	create(topic, 1, nil)
	Must(admin.DeleteTopic(topic))
	Until("the topic is gone", func() bool { _, there := value(admin.ListTopics())[topic]; return !there })
}

func configs(topic string) map[string]*sarama.ConfigEntry {
	resources := []*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic}}
	found := value(admin.DescribeConfigs(resources, sarama.DescribeConfigsOptions{IncludeSynonyms: true, IncludeDocumentation: true}))
	byName := map[string]*sarama.ConfigEntry{}
	for i := range found[0].Configs {
		byName[found[0].Configs[i].Name] = &found[0].Configs[i]
	}
	return byName
}

func describeConfigs() {
	topic := Name("described")
	create(topic, 1, map[string]*string{"retention.ms": text("123456")})
	found := configs(topic)
	Equal("123456", found["retention.ms"].Value, "retention.ms")
	Equal(sarama.SourceTopic, found["retention.ms"].Source, "its source")
	Equal("1073741824", found["segment.bytes"].Value, "segment.bytes")
	Equal(sarama.SourceDefault, found["segment.bytes"].Source, "its source")
	Check(*found["segment.bytes"].Documentation != "", "segment.bytes is not documented")
}

func alterConfigs() {
	topic := Name("altered")
	create(topic, 1, nil)
	Must(admin.IncrementalAlterConfig(sarama.TopicResource, topic, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.bytes": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: text("1000000")},
		"cleanup.policy":  {Operation: sarama.IncrementalAlterConfigsOperationAppend, Value: text("compact")},
	}, false))
	Until("both are set", func() bool {
		found := configs(topic)
		return found["retention.bytes"].Value == "1000000" && found["cleanup.policy"].Value == "delete,compact"
	})
	Must(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": text("5000")}, false))
	Until("all are replaced", func() bool {
		found := configs(topic)
		return found["retention.ms"].Value == "5000" && found["retention.bytes"].Value == "-1"
	})
}

func errorUnknownTopic() {
	topic := Name("unknown")
	found, err := admin.DescribeTopics([]string{topic})
	Must(err)
	Equal(sarama.ErrUnknownTopicOrPartition, found[0].Err, "describing")
	refused := admin.DeleteTopic(topic)
	Check(errors.Is(refused, sarama.ErrUnknownTopicOrPartition), "deleting: %v", refused)
}

func errorExistingTopic() {
	topic := Name("existing")
	create(topic, 1, nil)
	refused := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
	Check(errors.Is(refused, sarama.ErrTopicAlreadyExists), "created twice: %v", refused)
}

func errorBadConfig() {
	for _, entries := range []map[string]*string{{"no.such.config": text("1")}, {"retention.ms": text("soon")}} {
		refused := admin.CreateTopic(Name("bad"), &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: entries}, false)
		Check(errors.Is(refused, sarama.ErrInvalidConfig), "creating: %v", refused)
	}
}

func produceWith(codec string) {
	codecs := map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
	for name, acks := range map[string]sarama.RequiredAcks{"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll} {
		topic := Name(codec + "-" + name)
		create(topic, 1, nil)
		sent := rows(topic, 200)
		Must(produce(sent, func(config *sarama.Config) {
			config.Producer.Compression = codecs[codec]
			config.Producer.RequiredAcks = acks
			config.Producer.Flush.Frequency = 10 * time.Millisecond
		}))
		for i, message := range readAll(topic, 200) {
			Equal(int64(i), message.Offset, "offset")
			Same(value(sent[i].Key.Encode()), message.Key, "key")
			Same(value(sent[i].Value.Encode()), message.Value, "value")
			Same(sent[i].Headers[0].Value, message.Headers[0].Value, "header")
			if name != "0" {
				Equal(int64(i), sent[i].Offset, "acknowledged offset")
			}
		}
	}
}

func produceIdempotent() {
	topic := Name("idempotent")
	create(topic, 1, nil)
	var sent []*sarama.ProducerMessage
	for i := range 5000 {
		sent = append(sent, &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(fmt.Append(nil, i))})
	}
	Must(produce(sent, func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Net.MaxOpenRequests = 1 // sarama asks for it
		config.Producer.Flush.MaxMessages = 50
	}))
	for i, message := range readAll(topic, 5000) {
		Same(fmt.Append(nil, i), message.Value, "value")
	}
}

func keysHeadersTimestamps() {
	topic := Name("fields")
	create(topic, 1, map[string]*string{"retention.ms": text("-1")}) // the records are old
	headers := []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: []byte("2")}, {Key: []byte("\u00fc"), Value: []byte{0, 255}}}
	at := func(i int64) time.Time { return time.UnixMilli(1_700_000_000_000 + i*1000) }
	sent := []*sarama.ProducerMessage{
		{Topic: topic, Timestamp: at(3)},
		{Topic: topic, Timestamp: at(1), Key: sarama.StringEncoder("k"), Headers: headers},
		{Topic: topic, Timestamp: at(2), Value: sarama.StringEncoder("v"), Headers: headers},
	}
	Must(produce(sent, nil))
	for i, message := range readAll(topic, 3) {
		Equal(sent[i].Key == nil, message.Key == nil, "a null key")
		Equal(sent[i].Value == nil, message.Value == nil, "a null value")
		Equal(sent[i].Timestamp.UnixMilli(), message.Timestamp.UnixMilli(), "timestamp")
		Equal(len(sent[i].Headers), len(message.Headers), "headers")
		for at, header := range sent[i].Headers {
			Equal(header, *message.Headers[at], "header")
		}
	}
}

func largeRecords() {
	topic, small := Name("large"), Name("small")
	create(topic, 1, map[string]*string{"max.message.bytes": text("16000000")})
	large := strings.Repeat("x", 10_000_000)
	Must(produce([]*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder(large)}, {Topic: topic, Value: sarama.StringEncoder(large)}}, nil))
	for _, message := range readAll(topic, 2) {
		Check(string(message.Value) == large, "the value is another")
	}
	create(small, 1, map[string]*string{"max.message.bytes": text("1000")})
	refused := produce([]*sarama.ProducerMessage{{Topic: small, Value: sarama.StringEncoder(large[:5000])}}, nil)
	var each sarama.ProducerErrors
	Check(errors.As(refused, &each) && errors.Is(each[0].Err, sarama.ErrMessageSizeTooLarge), "a record above max.message.bytes: %v", refused)
}

func autoCreatedTopics() {
	topic := Name("auto")
	Must(produce([]*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder("first")}}, nil))
	Same([]byte("first"), readAll(topic, 1)[0].Value, "value")
}

func consumeFromBeginning() {
	topic := Name("beginning")
	create(topic, 1, nil)
	Must(produce(rows(topic, 100), nil))
	Equal(int64(0), readAll(topic, 100)[0].Offset, "first offset")
}

func consumeFromEnd() {
	topic := Name("end")
	create(topic, 1, nil)
	Must(produce(rows(topic, 10), nil))
	consumer := value(sarama.NewConsumer([]string{Bootstrap}, config()))
	defer consumer.Close()
	partition := value(consumer.ConsumePartition(topic, 0, sarama.OffsetNewest)) // looks the end up before it returns
	defer partition.Close()
	Must(produce(rows(topic, 5), nil))
	Equal(int64(10), takeFrom(partition, 5)[0].Offset, "first offset")
}

// times makes a topic of ten records a second apart.
func times(topic string) {
	create(topic, 1, map[string]*string{"retention.ms": text("-1")}) // the records are old
	var sent []*sarama.ProducerMessage
	for i := range int64(10) {
		sent = append(sent, &sarama.ProducerMessage{Topic: topic, Timestamp: time.UnixMilli(1_700_000_000_000 + i*1000), Value: sarama.ByteEncoder(fmt.Append(nil, i))})
	}
	Must(produce(sent, nil))
}

func consumeFromTimestamp() {
	topic := Name("moment")
	times(topic)
	client := value(sarama.NewClient([]string{Bootstrap}, config()))
	defer client.Close()
	from := value(client.GetOffset(topic, 0, 1_700_000_004_500))
	Equal(int64(5), read(topic, from, 5)[0].Offset, "first offset")
}

func seek() {
	topic := Name("jumps")
	create(topic, 1, nil)
	Must(produce(rows(topic, 100), nil))
	for _, offset := range []int64{20, 50, 5, 99} { // a partition consumer has one way, so each jump is a new one
		Equal(offset, read(topic, offset, 100-int(offset))[0].Offset, "first offset")
	}
}

func listOffsets() {
	topic := Name("offsets")
	times(topic)
	at := func(timestamp int64) int64 {
		found := value(admin.ListOffsets(map[string]map[int32]int64{topic: {0: timestamp}}, nil))[topic][0]
		Check(found.Err == nil || found.Err == sarama.ErrNoError, "%v", found.Err)
		return found.Offset
	}
	Equal(int64(0), at(sarama.OffsetOldest), "start")
	Equal(int64(10), at(sarama.OffsetNewest), "end")
	Equal(int64(5), at(1_700_000_004_500), "in the middle")
	Equal(int64(-1), at(1_700_000_009_001), "past the end")
}

func deleteRecords() {
	topic := Name("shortened")
	create(topic, 1, nil)
	Must(produce(rows(topic, 100), nil))
	Must(admin.DeleteRecords(topic, map[int32]int64{0: 40}))
	Equal(int64(40), readAll(topic, 60)[0].Offset, "first offset")
}

// member consumes with a group in the background and keeps book of its partitions and records.
type member struct {
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	done   chan struct{}

	lock       sync.Mutex
	owned      map[int32]bool
	taken      []*sarama.ConsumerMessage
	limit      int
	generation int32
}

// join makes a member that commits after `limit` records and takes no more.
func join(topic, group string, limit int, change func(*sarama.Config)) *member {
	made := config()
	if change != nil {
		change(made)
	}
	ctx, cancel := context.WithCancel(context.Background())
	joined := &member{group: value(sarama.NewConsumerGroup([]string{Bootstrap}, group, made)), cancel: cancel, done: make(chan struct{}), owned: map[int32]bool{}, limit: limit}
	go func() {
		defer close(joined.done)
		for ctx.Err() == nil {
			if err := joined.group.Consume(ctx, []string{topic}, joined); err != nil {
				fmt.Fprintln(os.Stderr, "consume:", err) // the feature times out when it does not recover
			}
		}
	}()
	return joined
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.generation = session.GenerationID()
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.own(claim.Partition(), true)
	defer m.own(claim.Partition(), false)
	for message := range claim.Messages() {
		m.lock.Lock()
		if len(m.taken) < m.limit {
			m.taken = append(m.taken, message)
			session.MarkMessage(message, "noted")
		}
		full := len(m.taken) == m.limit
		m.lock.Unlock()
		if full {
			session.Commit()
		}
	}
	return nil
}

func (m *member) own(partition int32, owned bool) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if owned {
		m.owned[partition] = true
	} else {
		delete(m.owned, partition)
	}
}

func (m *member) owns(count int) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.owned) == count
}

func (m *member) took(count int) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.taken) == count
}

func (m *member) leave() {
	m.cancel()
	<-m.done
	Must(m.group.Close())
}

func rebalance(base string, strategy sarama.BalanceStrategy) {
	topic, group := Name(base), Name(base)
	create(topic, 6, nil)
	change := func(config *sarama.Config) {
		config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy}
	}
	first := join(topic, group, 0, change)
	defer first.leave()
	Until("the first has all", func() bool { return first.owns(6) })
	second := join(topic, group, 0, change)
	Until("they share", func() bool { return first.owns(3) && second.owns(3) })
	second.leave()
	Until("the first has all again", func() bool { return first.owns(6) })
}

func groupStatic() {
	topic, group := Name("static"), Name("static")
	create(topic, 2, nil)
	generation := func() int32 {
		joined := join(topic, group, 0, func(config *sarama.Config) {
			config.Consumer.Group.InstanceId = "one"
			config.Consumer.Group.Session.Timeout = 30 * time.Second
		})
		defer joined.leave()
		Until("all is assigned", func() bool { return joined.owns(2) })
		return joined.generation
	}
	Equal(generation(), generation(), "generation: a static member came back")
}

func committed(group, topic string) *sarama.OffsetFetchResponseBlock {
	found := value(admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}}))
	Equal(sarama.ErrNoError, found.Err, "reading the group's offsets")
	return found.GetBlock(topic, 0)
}

func commitAndRestart() {
	topic, group := Name("resume"), Name("resume")
	create(topic, 1, nil)
	Must(produce(rows(topic, 100), nil))
	joined := join(topic, group, 60, nil)
	Until("60 records are there", func() bool { return joined.took(60) })
	joined.leave()
	Restart()
	admin.Close()
	admin = value(sarama.NewClusterAdmin([]string{Bootstrap}, config()))
	var found *sarama.OffsetFetchResponse
	Until("the coordinator answers", func() bool { // sarama hands it to the application when the coordinator loads
		var err error
		found, err = admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0}})
		return err == nil && found.Err == sarama.ErrNoError
	})
	Equal(int64(60), found.GetBlock(topic, 0).Offset, "committed")
	Equal("noted", found.GetBlock(topic, 0).Metadata, "metadata")
	again := join(topic, group, 1000, nil)
	Until("40 more records are there", func() bool { return again.took(40) })
	again.leave()
	Equal(int64(60), again.taken[0].Offset, "resumed at")
	Must(produce([]*sarama.ProducerMessage{{Topic: topic, Value: sarama.StringEncoder("after")}}, nil))
	Same([]byte("after"), readAll(topic, 101)[100].Value, "the record after the restart")
}

func restartInTheMiddle() {
	topic := Name("middle")
	create(topic, 1, nil)
	producer := value(sarama.NewSyncProducer([]string{Bootstrap}, config()))
	defer producer.Close()
	consumer := value(sarama.NewConsumer([]string{Bootstrap}, config()))
	defer consumer.Close()
	partition := value(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer partition.Close()
	send := func(i int) {
		_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(fmt.Append(nil, i))})
		Must(err)
	}
	for i := range 100 {
		send(i)
	}
	taken := takeFrom(partition, 100)
	done := Restarting()
	for i := 100; i < 400; i++ {
		send(i)
		time.Sleep(2 * time.Millisecond)
	}
	<-done
	late := time.After(time.Minute)
	for last := ""; last != "399"; last = string(taken[len(taken)-1].Value) {
		select {
		case message := <-partition.Messages():
			taken = append(taken, message)
		case <-late:
			Check(false, "timed out after %d records", len(taken))
		}
	}
	var values []string
	for _, message := range taken {
		values = append(values, string(message.Value))
	}
	Numbers(400, values)
	admin.Close()
	admin = value(sarama.NewClusterAdmin([]string{Bootstrap}, config()))
}

func listGroups() {
	topic, group := Name("listed"), Name("listed")
	create(topic, 1, nil)
	joined := join(topic, group, 0, nil)
	defer joined.leave()
	Until("all is assigned", func() bool { return joined.owns(1) })
	Equal("consumer", value(admin.ListConsumerGroups())[group], "protocol type")
}

func describeGroups() {
	topic, group := Name("members"), Name("members")
	create(topic, 2, nil)
	joined := join(topic, group, 0, func(config *sarama.Config) { config.ClientID = "describer" })
	defer joined.leave()
	Until("all is assigned", func() bool { return joined.owns(2) })
	found := value(admin.DescribeConsumerGroups([]string{group}))[0]
	Equal("Stable", found.State, "state")
	Equal(1, len(found.Members), "members")
	for _, found := range found.Members {
		Equal("describer", found.ClientId, "client id")
		Equal(2, len(value(found.GetMemberAssignment()).Topics[topic]), "assigned partitions")
	}
}

func deleteGroups() {
	topic, group := Name("gone"), Name("gone")
	create(topic, 1, nil)
	joined := join(topic, group, 0, nil)
	Until("all is assigned", func() bool { return joined.owns(1) })
	refused := admin.DeleteConsumerGroup(group)
	Check(errors.Is(refused, sarama.ErrNonEmptyGroup), "deleted with members: %v", refused)
	joined.leave()
	Must(admin.DeleteConsumerGroup(group))
	_, there := value(admin.ListConsumerGroups())[group]
	Check(!there, "still listed")
}

func groupOffsets() {
	topic, group := Name("moved"), Name("moved")
	create(topic, 1, nil)
	Must(produce(rows(topic, 10), nil))
	altered := value(admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{topic: {0: {Offset: 3, Metadata: "noted", LeaderEpoch: -1}}}, nil))
	Equal(sarama.ErrNoError, altered.Errors[topic][0], "altering")
	Equal(int64(3), committed(group, topic).Offset, "offset")
	joined := join(topic, group, 7, nil)
	Until("7 records are there", func() bool { return joined.took(7) })
	joined.leave()
	Equal(int64(3), joined.taken[0].Offset, "first offset")
	Must(admin.DeleteConsumerGroupOffset(group, topic, 0))
	Equal(int64(-1), committed(group, topic).Offset, "offset after its deletion")
}
