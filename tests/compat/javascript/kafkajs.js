// kafkajs against a node: what an application does in a day.

const assert = require('assert')
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')
const lz4 = require('lz4-napi')
const { bootstrap, has, main, name, restart, until } = require('./suite')

// kafkajs brings gzip alone and takes the others from whoever has them.
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: async (bytes) => lz4.decompressFrame(bytes),
})
const zstd = new Promise((resolve) => require('zstd-codec').ZstdCodec.run((module) => resolve(new module.Simple())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async (bytes) => Buffer.from((await zstd).decompress(bytes)),
})

const kafka = new Kafka({ clientId: 'kafkajs', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 30, maxRetryTime: 1000 } })
const admin = kafka.admin()

async function create(topic, numPartitions = 1, configs = {}) {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] })
  await until(`${topic} is visible`, async () => (await partitions(topic)) === numPartitions)
}

/** How many partitions a topic has, none when it is not there yet. */
async function partitions(topic) {
  const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch((error) => {
    if (error.type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error
  })
  return found ? found.topics[0].partitions.length : 0
}

async function produce(topic, messages, { acks = -1, compression = CompressionTypes.None, ...options } = {}) {
  const producer = kafka.producer({ allowAutoTopicCreation: true, ...options })
  await producer.connect()
  const sent = await producer.send({ topic, acks, compression, messages: messages.map((message) => ({ partition: 0, ...message })) })
  await producer.disconnect()
  return sent
}

const rows = (count) => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: `value ${i} `.repeat(20), headers: { n: `${i}` } }))

/** A member of a group that takes messages until it is closed; `owned` are its partitions. */
async function join(topic, groupId, { fromBeginning = true, clientId = 'kafkajs', take = Infinity } = {}) {
  const of = new Kafka({ clientId, brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 30, maxRetryTime: 1000 } })
  const consumer = of.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 200, maxWaitTimeInMs: 100, maxBytesPerPartition: 20000000, maxBytes: 40000000 })
  const member = { consumer, owned: [], taken: [], close: () => consumer.disconnect() }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => (member.owned = payload.memberAssignment[topic] || []))
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      if (member.taken.length < take) member.taken.push(message)
    },
  })
  return member
}

/** Reads a topic of one partition to its end, from an offset if one is given. */
async function read(topic, count, offset) {
  const member = await join(topic, name(`read-${topic}`))
  if (offset !== undefined) member.consumer.seek({ topic, partition: 0, offset })
  const from = offset === undefined ? 0 : Number(offset)
  const taken = () => member.taken.filter((message) => Number(message.offset) >= from)
  await until(`${count} messages are there`, () => taken().length >= count)
  await member.close()
  assert.strictEqual(taken().length, count, 'more messages than were sent')
  return taken()
}

/** The error that the promise ends with has this type. */
async function fails(type, promise) {
  await assert.rejects(promise, (error) => {
    const found = (error.errors || [error]).map((each) => each.type)
    assert.ok(found.includes(type), `${found} instead of ${type}: ${error}`)
    return true
  })
}

has('describe_cluster', async () => {
  await admin.connect()
  const { brokers, controller, clusterId } = await admin.describeCluster()
  assert.strictEqual(brokers.length, 1)
  assert.strictEqual(controller, brokers[0].nodeId)
  assert.ok(clusterId)
})

has('create_topics', async () => {
  const topic = name('created')
  await create(topic, 3)
  assert.strictEqual(await partitions(topic), 3)
  assert.ok((await admin.listTopics()).includes(topic))
})

has('create_partitions', async () => {
  const topic = name('grown')
  await create(topic)
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
  await until('five partitions are visible', async () => (await partitions(topic)) === 5)
})

has('delete_topics', async () => {
  const topic = name('deleted')
  await create(topic)
  await admin.deleteTopics({ topics: [topic] })
  await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
})

async function configs(topic) {
  const { resources } = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] })
  return Object.fromEntries(resources[0].configEntries.map((entry) => [entry.configName, entry]))
}

has('describe_configs', async () => {
  const topic = name('described')
  await create(topic, 1, { 'retention.ms': '123456' })
  const found = await configs(topic)
  assert.strictEqual(found['retention.ms'].configValue, '123456')
  assert.strictEqual(found['retention.ms'].configSource, 1)
  assert.strictEqual(found['segment.bytes'].configValue, '1073741824')
  assert.strictEqual(found['segment.bytes'].configSource, 5)
})

has('alter_configs', async () => {
  const topic = name('altered')
  await create(topic, 1, { 'retention.ms': '123456' })
  await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.bytes', value: '1000000' }] }] })
  await until('all are replaced', async () => { // what is not named goes back to its default
    const found = await configs(topic)
    return found['retention.bytes'].configValue === '1000000' && found['retention.ms'].configValue === '604800000'
  })
})

has('error_unknown_topic', async () => {
  await fails('UNKNOWN_TOPIC_OR_PARTITION', admin.fetchTopicMetadata({ topics: [name('unknown')] }))
})

has('error_existing_topic', async () => {
  const topic = name('existing')
  await create(topic)
  assert.strictEqual(await admin.createTopics({ topics: [{ topic }] }), false) // its way to say that it existed
})

has('error_bad_config', async () => {
  await fails('INVALID_CONFIG', create(name('bad'), 1, { 'no.such.config': '1' }))
  await fails('INVALID_CONFIG', create(name('bad'), 1, { 'retention.ms': 'soon' }))
})

const codecs = { uncompressed: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy, lz4: CompressionTypes.LZ4, zstd: CompressionTypes.ZSTD }
for (const [codec, compression] of Object.entries(codecs)) {
  has(`produce_${codec}`, async () => {
    for (const acks of [0, 1, -1]) {
      const topic = name(`${codec}-${acks}`)
      await create(topic)
      const sent = rows(200)
      const answer = await produce(topic, sent, { acks, compression })
      if (acks !== 0) assert.strictEqual(answer[0].baseOffset, '0')
      const taken = await read(topic, 200)
      taken.forEach((message, i) => {
        assert.deepStrictEqual([message.offset, `${message.key}`, `${message.value}`, `${message.headers.n}`], [`${i}`, sent[i].key, sent[i].value, `${i}`])
      })
    }
  })
}

has('produce_idempotent', async () => {
  const topic = name('idempotent')
  await create(topic)
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let i = 0; i < 5000; i += 100) {
    await producer.send({ topic, messages: Array.from({ length: 100 }, (_, at) => ({ partition: 0, value: `${i + at}` })) })
  }
  await producer.disconnect()
  assert.deepStrictEqual((await read(topic, 5000)).map((message) => `${message.value}`), Array.from({ length: 5000 }, (_, i) => `${i}`))
})

has('keys_headers_timestamps', async () => {
  const topic = name('fields')
  await create(topic, 1, { 'retention.ms': '-1' }) // the messages are old
  const headers = { a: ['1', '2'], empty: '', '\u00fc': Buffer.from([0, 255]) }
  const at = (i) => `${1700000000000 + i * 1000}`
  await produce(topic, [{ key: null, value: null, timestamp: at(3) }, { key: '', value: '', headers, timestamp: at(1) }, { key: 'k', value: null, timestamp: at(2) }, { key: null, value: 'v', headers, timestamp: at(0) }])
  const taken = await read(topic, 4)
  const plain = (bytes) => bytes && bytes.toString()
  assert.deepStrictEqual(taken.map(({ key, value }) => [plain(key), plain(value)]), [[null, null], ['', ''], ['k', null], [null, 'v']])
  assert.deepStrictEqual(taken.map(({ timestamp }) => timestamp), [3, 1, 2, 0].map(at))
  assert.deepStrictEqual(taken[1].headers.a.map(plain), ['1', '2'])
  assert.deepStrictEqual([plain(taken[1].headers.empty), taken[1].headers['\u00fc']], ['', Buffer.from([0, 255])])
})

has('large_records', async () => {
  const [topic, small] = [name('large'), name('small')]
  await create(topic, 1, { 'max.message.bytes': '16000000' })
  const value = 'x'.repeat(10000000)
  await produce(topic, [{ value }])
  await produce(topic, [{ value }])
  for (const message of await read(topic, 2)) assert.ok(message.value.equals(Buffer.from(value)))
  await create(small, 1, { 'max.message.bytes': '1000' })
  await fails('MESSAGE_TOO_LARGE', produce(small, [{ value: 'x'.repeat(5000) }]))
})

has('auto_created_topics', async () => {
  const topic = name('auto')
  await produce(topic, [{ value: 'first' }])
  assert.strictEqual(`${(await read(topic, 1))[0].value}`, 'first')
})

has('consume_from_beginning', async () => {
  const topic = name('beginning')
  await create(topic)
  await produce(topic, rows(100))
  assert.strictEqual((await read(topic, 100))[0].offset, '0')
})

has('consume_from_end', async () => {
  const topic = name('end')
  await create(topic)
  await produce(topic, rows(10))
  const member = await join(topic, name('end'), { fromBeginning: false })
  // The end is looked up by the first fetch, so messages are sent until one arrives: none of them may be an old one.
  await until('a new message arrives', async () => {
    if (member.taken.length === 0) await produce(topic, rows(1))
    return member.taken.length > 0
  })
  await member.close()
  assert.ok(Number(member.taken[0].offset) >= 10, `an old message: offset ${member.taken[0].offset}`)
})

/** Makes a topic of ten messages a second apart. */
async function times(topic) {
  await create(topic, 1, { 'retention.ms': '-1' }) // the messages are old
  for (let i = 0; i < 10; i++) await produce(topic, [{ value: `${i}`, timestamp: `${1700000000000 + i * 1000}` }])
}

has('consume_from_timestamp', async () => {
  const topic = name('moment')
  await times(topic)
  const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, 1700000004500)
  assert.strictEqual((await read(topic, 5, offset))[0].offset, '5')
})

has('seek', async () => {
  const topic = name('jumps')
  await create(topic)
  await produce(topic, rows(100))
  const member = await join(topic, topic)
  await until('all is read', () => member.taken.length === 100)
  for (const offset of ['50', '5', '99']) {
    member.taken.length = 0
    member.consumer.seek({ topic, partition: 0, offset })
    await until(`offset ${offset} is read`, () => member.taken.length > 0)
    assert.strictEqual(member.taken[0].offset, offset)
    await until('the end is read', () => member.taken.at(-1).offset === '99')
  }
  await member.close()
})

has('list_offsets', async () => {
  const topic = name('offsets')
  await times(topic)
  const [{ low, high }] = await admin.fetchTopicOffsets(topic)
  assert.deepStrictEqual([low, high], ['0', '10'])
  assert.strictEqual((await admin.fetchTopicOffsetsByTimestamp(topic, 1700000004500))[0].offset, '5')
  assert.strictEqual((await admin.fetchTopicOffsetsByTimestamp(topic, 1700000009001))[0].offset, '10')
})

has('delete_records', async () => {
  const topic = name('shortened')
  await create(topic)
  await produce(topic, rows(100))
  await admin.fetchTopicOffsets(topic)
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '40' }] })
  assert.strictEqual((await read(topic, 60))[0].offset, '40')
})

has('regex_subscription', async () => {
  const base = name('pattern')
  for (const topic of [`${base}.1`, `${base}.2`, `not-${base}`]) {
    await create(topic)
    await produce(topic, rows(1))
  }
  const consumer = kafka.consumer({ groupId: base, maxWaitTimeInMs: 100 })
  const seen = new Set()
  await consumer.connect()
  await consumer.subscribe({ topics: [new RegExp(`^${base}[.].$`)], fromBeginning: true }) // looks once, so no new topics
  await consumer.run({ autoCommit: false, eachMessage: async ({ topic }) => seen.add(topic) })
  await until('both are read', () => seen.size >= 2)
  await consumer.disconnect()
  assert.deepStrictEqual([...seen].sort(), [`${base}.1`, `${base}.2`])
})

has('group_round_robin', async () => {
  const topic = name('round-robin')
  await create(topic, 6)
  const first = await join(topic, topic)
  await until('the first has all', () => first.owned.length === 6)
  const second = await join(topic, topic)
  await until('they share', () => first.owned.length === 3 && second.owned.length === 3)
  assert.deepStrictEqual([...first.owned, ...second.owned].sort(), [0, 1, 2, 3, 4, 5])
  await second.close()
  await until('the first has all again', () => first.owned.length === 6)
  await first.close()
})

const committed = async (groupId, topic) => (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions[0]

has('commit_and_restart', async () => {
  const topic = name('resume')
  await create(topic)
  await produce(topic, rows(100))
  const member = await join(topic, topic, { take: 60 })
  await until('60 messages are there', () => member.taken.length === 60)
  await member.consumer.commitOffsets([{ topic, partition: 0, offset: '60', metadata: 'noted' }])
  await member.close()
  await restart()
  await admin.disconnect()
  await admin.connect()
  let found
  await until('the coordinator answers', async () => (found = await committed(topic, topic).catch(() => undefined)))
  assert.deepStrictEqual([found.offset, found.metadata], ['60', 'noted'])
  const again = await join(topic, topic)
  await until('40 more messages are there', () => again.taken.length === 40)
  await again.close()
  assert.strictEqual(again.taken[0].offset, '60')
  await produce(topic, [{ value: 'after' }])
  assert.strictEqual(`${(await read(topic, 101))[100].value}`, 'after')
})

has('restart_in_the_middle', async () => {
  const topic = name('middle')
  await create(topic)
  const producer = kafka.producer()
  await producer.connect()
  const send = (i) => producer.send({ topic, messages: [{ partition: 0, value: `${i}` }] })
  for (let i = 0; i < 50; i++) await send(i)
  const member = await join(topic, topic)
  await until('50 messages are there', () => member.taken.length === 50)
  const done = restart()
  for (let i = 50; i < 100; i++) await send(i)
  await done
  for (let i = 100; i < 150; i++) await send(i)
  const values = () => member.taken.map(({ value }) => `${value}`)
  await until('the last message is there', () => values().at(-1) === '149')
  await member.close()
  await producer.disconnect()
  // A member that lost its node starts at the first message again, for it has committed nothing; the producer may repeat one.
  const firsts = values().filter((value, i, all) => all.indexOf(value) === i)
  assert.deepStrictEqual(firsts, Array.from({ length: 150 }, (_, i) => `${i}`))
  await admin.disconnect()
  await admin.connect()
})

const listed = async (groupId) => (await admin.listGroups()).groups.find((group) => group.groupId === groupId)

has('list_groups', async () => {
  const topic = name('listed')
  await create(topic)
  const member = await join(topic, topic)
  await until('all is assigned', () => member.owned.length === 1)
  assert.strictEqual((await listed(topic)).protocolType, 'consumer')
  await member.close()
})

has('describe_groups', async () => {
  const topic = name('members')
  await create(topic, 2)
  const member = await join(topic, topic, { clientId: 'describer' })
  await until('all is assigned', () => member.owned.length === 2)
  const [group] = (await admin.describeGroups([topic])).groups
  assert.deepStrictEqual([group.state, group.protocolType, group.members.length], ['Stable', 'consumer', 1])
  assert.deepStrictEqual([group.members[0].clientId, group.members[0].clientHost], ['describer', '/127.0.0.1'])
  await member.close()
})

has('delete_groups', async () => {
  const topic = name('gone')
  await create(topic)
  const member = await join(topic, topic)
  await until('all is assigned', () => member.owned.length === 1)
  await assert.rejects(admin.deleteGroups([topic]), (error) => error.groups[0].error.type === 'NON_EMPTY_GROUP')
  await member.close()
  await admin.deleteGroups([topic])
  assert.strictEqual(await listed(topic), undefined)
})

has('group_offsets', async () => {
  const topic = name('moved')
  await create(topic)
  await produce(topic, rows(10))
  await admin.setOffsets({ groupId: topic, topic, partitions: [{ partition: 0, offset: '3' }] })
  assert.strictEqual((await committed(topic, topic)).offset, '3')
  const member = await join(topic, topic)
  await until('7 messages are there', () => member.taken.length === 7)
  await member.close()
  assert.strictEqual(member.taken[0].offset, '3')
})

main()
