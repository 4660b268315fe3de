//! Controller quorum: the controllers and how they agree.

use crate::key::Importance::{High, Low, Medium};
use crate::key::{ConfigKey, boolean, int, list, long, string};
use crate::validator::Validator;

pub(super) const KEYS: &[ConfigKey] = &[
    list("controller.listener.names", High)
        .required()
        .distinct()
        .not_empty()
        .effective()
        .doc("Names of the listeners that controllers use; the first is the one brokers connect to."),
    list("controller.quorum.voters", High)
        .default("")
        .validator(Validator::QuorumVoters)
        .effective()
        .doc("Voters of a fixed quorum, each `id@host:port`."),
    list("controller.quorum.bootstrap.servers", High)
        .default("")
        .validator(Validator::BootstrapServers)
        .effective()
        .doc("Controllers to ask first, each `host:port`, where the voters live in the metadata log."),
    boolean("controller.quorum.auto.join.enable", Low)
        .default("false")
        .doc("Whether a new controller adds itself to the voters."),
    int("controller.quorum.election.timeout.ms", High)
        .default("1000")
        .at_least(0)
        .effective()
        .doc("Milliseconds a candidate waits for votes before it starts a new election."),
    int("controller.quorum.election.backoff.max.ms", High)
        .default("1000")
        .at_least(0)
        .effective()
        .doc("Most milliseconds between two elections of a candidate."),
    int("controller.quorum.fetch.timeout.ms", High)
        .default("2000")
        .at_least(0)
        .effective()
        .doc(
            "Milliseconds without a successful fetch after which a voter starts an election, and a leader without \
             a majority resigns.",
        ),
    int("controller.quorum.append.linger.ms", Medium)
        .default("25")
        .at_least(0)
        .doc("Milliseconds the leader gathers records before it writes them. A quorum of one writes at once."),
    int("controller.quorum.request.timeout.ms", Medium)
        .default("2000")
        .at_least(0)
        .doc("Milliseconds a request between quorum members may take."),
    int("controller.quorum.retry.backoff.ms", Low)
        .default("20")
        .at_least(0)
        .doc("Milliseconds between tries of a request between quorum members."),
    int("controller.quorum.fetch.max.bytes", Low)
        .default("1048576")
        .at_least(1)
        .doc("Most bytes one fetch of the metadata log brings."),
    int("controller.quorum.fetch.snapshot.max.bytes", Low)
        .default("1048576")
        .at_least(1)
        .doc("Most bytes one fetch of a metadata snapshot brings."),
    long("controller.performance.sample.period.ms", Medium)
        .default("60000")
        .at_least(100)
        .internal()
        .doc("Milliseconds between the controller's reports of its slow events."),
    long("controller.performance.always.log.threshold.ms", Medium)
        .default("2000")
        .at_least(0)
        .internal()
        .doc("Milliseconds above which a controller event is always reported."),
    string("sasl.mechanism.controller.protocol", High)
        .default("GSSAPI")
        .doc("SASL mechanism towards controllers. SASL is not there yet."),
];
