//! `klamm start`: one node, until it is told to stop.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use klamm_broker::{Loggers, Server, Standalone, StartError, Unformatted};
use klamm_config::{Origin, Properties, ServerConfig};
use klamm_tools::Outcome;
use klamm_tools::output::Failure;
use klamm_tools::spec::Matches;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::report::Report;

/// What was typed after `klamm start`.
struct StartArguments {
    config: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    listen: Option<String>,
    overrides: Vec<String>,
}

impl StartArguments {
    fn of(args: &Matches) -> StartArguments {
        StartArguments {
            config: args.get("config").map(PathBuf::from),
            data_dir: args.get("data-dir").map(PathBuf::from),
            listen: args.get("listen").map(str::to_owned),
            overrides: args.all("override").into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Runs the node until SIGTERM or Ctrl-C.
pub(crate) fn run(args: &Matches) -> Outcome {
    serve_as_told(args).map_err(Failure::from)
}

fn serve_as_told(args: &Matches) -> Result<(), Report> {
    let arguments = StartArguments::of(args);
    let filter = log_filter(args.get("log-level").unwrap_or_default())?;
    let directives = filter.to_string();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_filter_reloading();
    let reload = logs.reload_handle();
    logs.init();
    // Whoever asks to change levels by request is told only of those that there are, so that the text is good.
    let loggers = Loggers::new(&directives, move |text| {
        let reloaded = EnvFilter::try_new(text).map(|filter| reload.reload(filter));
        if !matches!(reloaded, Ok(Ok(()))) {
            warn!("the log levels can't be changed to {text}");
        }
    });
    raise_file_limit();
    let config = configuration(&arguments)?;
    // A node is told to format only when nobody wrote down what it should be.
    let unformatted = if arguments.config.is_some() {
        Unformatted::Refuse
    } else {
        Unformatted::Format
    };
    let workers = available_parallelism().map_or(2, |cores| cores.get().max(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Report::new(format_args!("can't start: {error}")))?;
    runtime.block_on(serve(config, unformatted, arguments.config.as_deref(), loggers))
}

/// Has the process open as many files as it is allowed to, not only as many as it begins with: each partition that is written
/// to needs three for some seconds, each connection one. Java does the same.
fn raise_file_limit() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(
            "the number of open files stays limited to {:?}: {error}",
            limits.current
        );
    }
}

/// A level for all, or levels by module. A word that is no level would pass for a module's name elsewhere; not here.
fn log_filter(text: &str) -> Result<EnvFilter, Report> {
    let is_level = |part: &str| {
        part.rsplit('=')
            .next()
            .is_some_and(|level| level.parse::<LevelFilter>().is_ok())
    };
    let filter = text
        .split(',')
        .all(is_level)
        .then(|| EnvFilter::try_new(text).ok())
        .flatten();
    filter.ok_or_else(|| {
        Report::new(format_args!("`{text}` is no log level"))
            .from("`--log-level` on the command line")
            .hint("`error`, `warn`, `info`, `debug` or `trace`, also by module as in `info,klamm_net=debug`")
    })
}

async fn serve(
    config: ServerConfig,
    unformatted: Unformatted,
    file: Option<&Path>,
    loggers: Loggers,
) -> Result<(), Report> {
    let cannot_watch = |error| Report::new(format_args!("can't watch for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_watch)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_watch)?;
    let origins = config.clone();
    let server = tokio::select! {
        started = Server::start(config, unformatted) => started.map_err(|error| start_error(&error, &origins, file))?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let set = server.node().loggers.set(loggers);
    set.expect("only here");
    greet(&server);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        failure = server.failed() => return Err(Report::new(failure)),
    }
    server.shutdown().await.map_err(Report::new)
}

/// What the command line and the file say, checked before any directory or port is touched.
fn configuration(arguments: &StartArguments) -> Result<ServerConfig, Report> {
    let mut properties = match &arguments.config {
        Some(file) => read(file)?,
        None => defaults(arguments)?,
    };
    if let Some(dir) = &arguments.data_dir {
        properties.set("log.dirs", dir.to_string_lossy(), Origin::Option("--data-dir"));
    }
    if let (Some(_), Some(setting)) = (&arguments.listen, properties.get("listeners").cloned()) {
        properties.set("listeners", setting.value, Origin::Option("--listen"));
    }
    for text in &arguments.overrides {
        properties.set_override(text).map_err(Report::new)?;
    }
    let (config, warnings) = ServerConfig::load(&properties).map_err(Report::new)?;
    for warning in warnings {
        warn!("{warning}");
    }
    Ok(config)
}

fn read(file: &Path) -> Result<Properties, Report> {
    let bytes = std::fs::read(file).map_err(|error| {
        Report::new(format_args!("can't read `{}`: {error}", file.display())).from("`--config` on the command line")
    })?;
    Properties::parse(&bytes, &file.display().to_string()).map_err(Report::new)
}

fn defaults(arguments: &StartArguments) -> Result<Properties, Report> {
    let (host, port) = match &arguments.listen {
        Some(listen) => host_and_port(listen)?,
        None => ("127.0.0.1", 9092),
    };
    let data_dir = match &arguments.data_dir {
        Some(dir) => dir.clone(),
        None => default_data_dir()?,
    };
    Ok(Standalone {
        host,
        port,
        data_dir: &data_dir,
    }
    .properties())
}

/// `HOST:PORT`, `[::1]:PORT` or `:PORT`; every way to write "all addresses" is an empty host.
fn host_and_port(listen: &str) -> Result<(&str, u16), Report> {
    let malformed = || {
        Report::new(format_args!("`{listen}` is no address to listen on"))
            .from("`--listen` on the command line")
            .hint("`HOST:PORT`, such as `127.0.0.1:9092`, `[::1]:9092` or `0.0.0.0:0`")
    };
    let (host, port) = listen.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse().map_err(|_| malformed())?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(malformed)?,
        None if host.contains(':') => return Err(malformed()),
        None => host,
    };
    Ok((
        if matches!(host, "0.0.0.0" | "::" | "*") {
            ""
        } else {
            host
        },
        port,
    ))
}

fn default_data_dir() -> Result<PathBuf, Report> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let shared = named("XDG_DATA_HOME").or_else(|| Some(named("HOME")?.join(".local/share")));
    let missing = || Report::new("no place for data: `HOME` is not set").hint("name one with `--data-dir`");
    Ok(shared.ok_or_else(missing)?.join("klamm"))
}

/// Tells people where data lies and how to connect. A closed stdout is no reason not to run.
fn greet(server: &Server) {
    let node = server.node();
    let config = &node.config.server;
    let absolute = |dir: &String| std::path::absolute(dir).map_or(dir.clone(), |dir| dir.display().to_string());
    let dirs: Vec<String> = config.log_dirs.iter().map(absolute).collect();
    let mut text = format!("Klamm {} is ready\n", env!("CARGO_PKG_VERSION"));
    text += &format!("  cluster: {}, node {}\n", node.cluster_id, node.id);
    text += &format!("  data:    {}\n", dirs.join(", "));
    if let Some(address) = server.client_address() {
        let address = match address.ip().is_unspecified() {
            true => format!("localhost:{}", address.port()),
            false => address.to_string(),
        };
        text += &format!("  connect: bootstrap.servers={address}\n");
    }
    let mut stdout = std::io::stdout().lock();
    let _closed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// The error with the place that its setting came from, if somebody set it.
fn start_error(error: &StartError, config: &ServerConfig, file: Option<&Path>) -> Report {
    let mut report = Report::new(error);
    let setting = error.key().and_then(|key| Some((key, config.config.setting(key)?)));
    if let Some((key, setting)) = setting
        && setting.origin != Origin::Program
    {
        report = report.from(format_args!("`{key}={}` in {}", setting.value, setting.origin));
    }
    match error.hint(file) {
        Some(hint) => report.hint(hint),
        None => report,
    }
}
