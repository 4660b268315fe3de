//! A producer's settings, read from its properties.

use std::time::Duration;

use klamm_records::{Codec, Compression};

use super::Partitioner;
use crate::connection::backoff::Backoff;
use crate::properties::invalid;
use crate::{Error, Properties};

/// How many acknowledgements a record needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Acks {
    /// None, the broker does not even answer: records can be lost, and offsets are not known.
    None,
    /// The leader's: records can be lost with the leader.
    Leader,
    /// Those of all replicas that are in sync.
    #[default]
    All,
}

impl Acks {
    /// The number in requests: 0, 1 or -1.
    pub fn number(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }

    /// As the property `acks` has it: `all`, `-1`, `0` or `1`.
    pub fn from_name(name: &str) -> Option<Acks> {
        match name.trim() {
            "0" => Some(Acks::None),
            "1" => Some(Acks::Leader),
            "-1" => Some(Acks::All),
            name if name.eq_ignore_ascii_case("all") => Some(Acks::All),
            _ => None,
        }
    }
}

/// What [`Properties`] mean for a [`super::Producer`].
#[derive(Clone, Debug)]
pub(super) struct ProducerOptions {
    pub(super) acks: Acks,
    pub(super) linger: Duration,
    pub(super) batch_size: usize,
    pub(super) buffer_memory: usize,
    pub(super) buffer_records: usize,
    pub(super) max_request_size: usize,
    pub(super) codec: Codec,
    pub(super) max_in_flight: usize,
    pub(super) idempotent: bool,
    pub(super) retries: u32,
    pub(super) delivery_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) max_block: Duration,
    pub(super) retry: Backoff,
    pub(super) metadata_max_age: Duration,
    pub(super) partitioner: Partitioner,
    pub(super) ignore_keys: bool,
    pub(super) adaptive: bool,
}

impl ProducerOptions {
    pub(super) fn read(p: &Properties) -> Result<ProducerOptions, Error> {
        refuse_transactions(p)?;
        let acks = match p.get("acks") {
            None => Acks::All,
            Some(name) => {
                Acks::from_name(name).ok_or_else(|| invalid("acks", name, "must be one of all, -1, 0, 1".to_owned()))?
            }
        };
        let retries = p.number("retries", 0, i32::MAX, i32::MAX)? as u32;
        let max_in_flight = p.number("max.in.flight.requests.per.connection", 1, i32::MAX, 5)? as usize;
        let linger = millis(p, "linger.ms", 5)?;
        let request_timeout = millis(p, "request.timeout.ms", 30_000)?;
        Ok(ProducerOptions {
            acks,
            linger,
            batch_size: p.number("batch.size", 0, i32::MAX, 16_384)?.max(1) as usize,
            buffer_memory: usize::try_from(p.number("buffer.memory", 0, i64::MAX, 32 << 20)?).unwrap_or(usize::MAX),
            buffer_records: usize::MAX,
            max_request_size: p.number("max.request.size", 0, i32::MAX, 1 << 20)? as usize,
            codec: codec(p)?,
            max_in_flight,
            idempotent: idempotence(p, acks, retries, max_in_flight)?,
            retries,
            delivery_timeout: delivery_timeout(p, linger, request_timeout)?,
            request_timeout,
            max_block: p.millis("max.block.ms", 60_000)?,
            retry: Backoff::new(
                p.millis("retry.backoff.ms", 100)?,
                p.millis("retry.backoff.max.ms", 1000)?,
            ),
            metadata_max_age: p.millis("metadata.max.age.ms", 300_000)?,
            partitioner: partitioner(p)?,
            ignore_keys: p.boolean("partitioner.ignore.keys", false)?,
            adaptive: p.boolean("partitioner.adaptive.partitioning.enable", true)?,
        })
    }
}

fn millis(p: &Properties, key: &str, default: i32) -> Result<Duration, Error> {
    // Java keeps these as 32 bits and takes more as the most of them.
    let millis = p.number(key, 0, i64::MAX, i64::from(default))?;
    Ok(Duration::from_millis(millis.min(i64::from(i32::MAX)) as u64))
}

fn refuse_transactions(p: &Properties) -> Result<(), Error> {
    match p.get("transactional.id") {
        Some(id) => Err(invalid(
            "transactional.id",
            id,
            "transactions are not offered yet".to_owned(),
        )),
        None => Ok(()),
    }
}

fn codec(p: &Properties) -> Result<Codec, Error> {
    let names = Compression::ALL.map(|compression| (compression.name(), compression));
    let compression = p.choice("compression.type", &names, Compression::None)?;
    let with_level = |key, level| {
        Codec::with_level(compression, level).map_err(|error| invalid(key, &level.to_string(), error.to_string()))
    };
    // The levels of the codecs that are not used are checked too, as in Java.
    let gzip = p.number("compression.gzip.level", -1, 9, -1)?;
    if gzip == 0 {
        return Err(invalid(
            "compression.gzip.level",
            "0",
            "must be between 1 and 9, or -1".to_owned(),
        ));
    }
    let lz4 = p.number("compression.lz4.level", 1, 17, 9)?;
    let zstd = p.number("compression.zstd.level", -131_072, 22, 3)?;
    match compression {
        Compression::None | Compression::Snappy => Ok(compression.into()),
        Compression::Gzip => with_level("compression.gzip.level", gzip),
        Compression::Lz4 => with_level("compression.lz4.level", lz4),
        Compression::Zstd => with_level("compression.zstd.level", zstd),
    }
}

/// On unless other settings rule it out; an error if it was asked for with such settings.
fn idempotence(p: &Properties, acks: Acks, retries: u32, max_in_flight: usize) -> Result<bool, Error> {
    const KEY: &str = "enable.idempotence";
    if !p.boolean(KEY, true)? {
        return Ok(false);
    }
    let asked_for = p.get(KEY).is_some();
    let in_flight_key = "max.in.flight.requests.per.connection";
    if max_in_flight > super::sequences::MAX_UNACKNOWLEDGED {
        let reason = "must be at most 5 for an idempotent producer, or enable.idempotence must be false";
        return Err(invalid(in_flight_key, &max_in_flight.to_string(), reason.to_owned()));
    }
    let against = [
        ("retries", retries == 0, "must not be 0 for an idempotent producer"),
        ("acks", acks != Acks::All, "must be all for an idempotent producer"),
    ];
    for (key, rules_out, reason) in against {
        if rules_out && asked_for {
            return Err(invalid(key, p.get(key).unwrap_or_default(), reason.to_owned()));
        }
        if rules_out {
            tracing::info!("the producer is not idempotent: {key} {reason}");
            return Ok(false);
        }
    }
    Ok(true)
}

fn delivery_timeout(p: &Properties, linger: Duration, request_timeout: Duration) -> Result<Duration, Error> {
    const KEY: &str = "delivery.timeout.ms";
    let timeout = millis(p, KEY, 120_000)?;
    let least = (linger + request_timeout).min(Duration::from_millis(i32::MAX as u64));
    match p.get(KEY) {
        _ if timeout >= least => Ok(timeout),
        None => Ok(least),
        Some(value) => {
            let least = least.as_millis();
            let reason = format!("must be at least linger.ms + request.timeout.ms, which is {least}");
            Err(invalid(KEY, value, reason))
        }
    }
}

fn partitioner(p: &Properties) -> Result<Partitioner, Error> {
    const KEY: &str = "partitioner.class";
    let Some(name) = p.get(KEY).map(str::trim).filter(|name| !name.is_empty()) else {
        return Ok(Partitioner::Default);
    };
    Partitioner::from_name(name).ok_or_else(|| {
        let reason = "must be default, RoundRobinPartitioner or consistent_random; others are set by the builder";
        invalid(KEY, name, reason.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<ProducerOptions, String> {
        let properties: Properties = entries.iter().copied().collect();
        ProducerOptions::read(&properties).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_javas() {
        let options = read(&[]).unwrap();
        assert_eq!(
            (options.acks, options.idempotent, options.max_in_flight),
            (Acks::All, true, 5)
        );
        assert_eq!((options.linger, options.batch_size), (Duration::from_millis(5), 16_384));
        assert_eq!(
            (options.buffer_memory, options.max_request_size),
            (33_554_432, 1_048_576)
        );
        assert_eq!(options.delivery_timeout, Duration::from_secs(120));
        assert_eq!(
            (options.max_block, options.request_timeout),
            (Duration::from_secs(60), Duration::from_secs(30))
        );
        assert_eq!(options.retries, i32::MAX as u32);
    }

    #[test]
    fn idempotence_gives_way_unless_it_was_asked_for() {
        assert!(!read(&[("acks", "1")]).unwrap().idempotent);
        assert!(!read(&[("retries", "0")]).unwrap().idempotent);
        assert!(!read(&[("enable.idempotence", "false")]).unwrap().idempotent);
        let error = read(&[("acks", "1"), ("enable.idempotence", "true")]).unwrap_err();
        assert_eq!(
            error,
            "invalid value 1 for acks: must be all for an idempotent producer"
        );
        let error = read(&[("retries", "0"), ("enable.idempotence", "true")]).unwrap_err();
        assert_eq!(
            error,
            "invalid value 0 for retries: must not be 0 for an idempotent producer"
        );
        assert!(read(&[("max.in.flight.requests.per.connection", "6")]).is_err());
        let many = [
            ("max.in.flight.requests.per.connection", "6"),
            ("enable.idempotence", "false"),
        ];
        assert_eq!(read(&many).unwrap().max_in_flight, 6);
    }

    #[test]
    fn the_delivery_timeout_covers_linger_and_one_request() {
        let options = read(&[("linger.ms", "100000"), ("request.timeout.ms", "30000")]).unwrap();
        assert_eq!(options.delivery_timeout, Duration::from_secs(130));
        let error = read(&[("delivery.timeout.ms", "30000")]).unwrap_err();
        let expected = "invalid value 30000 for delivery.timeout.ms: must be at least linger.ms + request.timeout.ms, which is 30005";
        assert_eq!(error, expected);
        let error = read(&[("transactional.id", "t")]).unwrap_err();
        assert_eq!(
            error,
            "invalid value t for transactional.id: transactions are not offered yet"
        );
    }

    #[test]
    fn codecs_with_levels() {
        let codec = |entries: &[(&str, &str)]| {
            read(entries).map(|options| (options.codec.compression(), options.codec.level()))
        };
        assert_eq!(codec(&[("compression.type", "zstd")]), Ok((Compression::Zstd, 3)));
        let gzip = [("compression.type", "gzip"), ("compression.gzip.level", "9")];
        assert_eq!(codec(&gzip), Ok((Compression::Gzip, 9)));
        assert!(codec(&[("compression.lz4.level", "18")]).is_err());
        assert!(codec(&[("compression.gzip.level", "0")]).is_err());
        assert!(codec(&[("compression.type", "brotli")]).is_err());
    }

    #[test]
    fn every_acks_and_no_other() {
        for (name, acks) in [
            ("all", Acks::All),
            ("ALL", Acks::All),
            ("-1", Acks::All),
            ("0", Acks::None),
            ("1", Acks::Leader),
        ] {
            assert_eq!(read(&[("acks", name)]).unwrap().acks, acks);
        }
        let error = read(&[("acks", "2")]).unwrap_err();
        assert_eq!(error, "invalid value 2 for acks: must be one of all, -1, 0, 1");
    }
}
