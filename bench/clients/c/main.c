/* Load by librdkafka: `produce BOOTSTRAP TOPIC RECORDS SIZE CODEC` or `consume BOOTSTRAP TOPIC RECORDS`.
 *
 * It does what the program in Rust beside it does, with the same values and limits. What is not limited there has
 * librdkafka's defaults, except that checksums are verified, as the other clients do it. */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUES 1024
#define LOT 1000

static const char *const WORDS[] = {"order",  "paid", "shipped", "returned", "customer", "street",  "amount", "total",
                                    "euro",   "cent", "item",    "quantity", "created",  "updated", "status", "warehouse"};

static long long handled, bytes;

static void fail(const char *reason) {
    fprintf(stderr, "%s\n", reason);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value) {
    char reason[512];
    if (rd_kafka_conf_set(conf, key, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        fail(reason);
}

static rd_kafka_t *open_client(rd_kafka_type_t type, rd_kafka_conf_t *conf) {
    char reason[512];
    rd_kafka_t *client = rd_kafka_new(type, conf, reason, sizeof reason);
    if (!client)
        fail(reason);
    return client;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client, (void)opaque;
    if (message->err)
        fail(rd_kafka_err2str(message->err));
    if (message->offset >= 0)
        handled++;
}

/* The same values as the program in Rust makes. */
static char *make_values(size_t size) {
    uint64_t random = 88172645463325252u;
    char *values = malloc(VALUES * size), *text = malloc(size + 64);
    if (!values || !text)
        fail("no memory");
    for (int i = 0; i < VALUES; i++) {
        size_t length = 0;
        while (length < size) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            length += (size_t)sprintf(text + length, "%s %llu ", WORDS[random % (sizeof WORDS / sizeof *WORDS)],
                                      (unsigned long long)(random >> 48));
        }
        memcpy(values + (size_t)i * size, text, size);
    }
    free(text);
    return values;
}

/* Produces, looking at the outcome of every record. */
static void produce(const char *bootstrap, const char *topic, long long records, size_t size, const char *codec) {
    char *values = make_values(size);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "enable.idempotence", "true");
    set(conf, "acks", "all");
    set(conf, "compression.type", codec);
    set(conf, "batch.size", "1000000");
    set(conf, "batch.num.messages", "1000000");
    set(conf, "linger.ms", "10");
    set(conf, "queue.buffering.max.kbytes", "32768");
    set(conf, "queue.buffering.max.messages", "100000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = open_client(RD_KAFKA_PRODUCER, conf);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    for (long long n = 0; n < records; n++) {
        char *value = values + (size_t)(n % VALUES) * size;
        while (rd_kafka_produce(handle, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, size, NULL, 0, NULL) == -1) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                fail(rd_kafka_err2str(rd_kafka_last_error()));
            rd_kafka_poll(client, 100);
        }
        bytes += (long long)size;
        if (n % LOT == 0)
            rd_kafka_poll(client, 0);
    }
    if (rd_kafka_flush(client, 60000))
        fail("not delivered in a minute");
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(client);
    free(values);
}

/* Reads a topic from its beginning. */
static void consume(const char *bootstrap, const char *topic, long long records) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "check.crcs", "true");
    rd_kafka_t *client = open_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    const struct rd_kafka_metadata *known;
    rd_kafka_resp_err_t error = rd_kafka_metadata(client, 0, handle, &known, 10000);
    if (error)
        fail(rd_kafka_err2str(error));
    int partitions = known->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(known);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    for (int partition = 0; partition < partitions; partition++)
        if (rd_kafka_consume_start_queue(handle, partition, RD_KAFKA_OFFSET_BEGINNING, queue) == -1)
            fail(rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_message_t *lot[LOT];
    while (handled < records) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 1000, lot, LOT);
        if (count < 0)
            fail(rd_kafka_err2str(rd_kafka_last_error()));
        for (ssize_t i = 0; i < count; i++) {
            if (lot[i]->err == 0)
                handled++, bytes += (long long)lot[i]->len;
            else if (lot[i]->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
                fail(rd_kafka_message_errstr(lot[i]));
            rd_kafka_message_destroy(lot[i]);
        }
    }
    for (int partition = 0; partition < partitions; partition++)
        rd_kafka_consume_stop(handle, partition);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(client);
}

int main(int count, char **args) {
    if (count == 2 && !strcmp(args[1], "version"))
        return puts(rd_kafka_version_str()) < 0;
    if (count == 7 && !strcmp(args[1], "produce"))
        produce(args[2], args[3], atoll(args[4]), (size_t)atoll(args[5]), args[6]);
    else if (count == 5 && !strcmp(args[1], "consume"))
        consume(args[2], args[3], atoll(args[4]));
    else
        fail("usage: produce BOOTSTRAP TOPIC RECORDS SIZE CODEC | consume BOOTSTRAP TOPIC RECORDS");
    printf("%lld %lld\n", handled, bytes);
    return 0;
}
