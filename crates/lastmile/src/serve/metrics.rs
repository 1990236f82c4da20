//! The node's counters in the text format of Prometheus.

use std::fmt;
use std::sync::Arc;

use aaa::metrics::{Count, Drop};
use domain::session_command::verdict::CommandState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use services::worker::counts::{Answer, WorkerCounts};
use storage::retention::History;

use super::events::EventView;
use super::health::{NodeView, ProcessView};
use super::housekeeping::Removed;
use crate::disk::Room;

/// OpenMetrics 1.0, which Prometheus reads.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Renders everything that is counted at this moment.
pub(super) fn render(
    process: ProcessView,
    node: Option<NodeView>,
    room: Option<Room>,
    removed: Option<Arc<Removed>>,
    (worker, events): (Option<Arc<WorkerCounts>>, EventView),
) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("lastmile");
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program that answers", version);
    registry.register_collector(Box::new(ProcessCollector(process)));
    if let Some(node) = node {
        registry.register_collector(Box::new(NodeCollector(node)));
    }
    if let Some(room) = room {
        registry.register_collector(Box::new(room));
    }
    if let Some(removed) = removed {
        registry.register_collector(Box::new(RetentionCollector(removed)));
    }
    if let Some(worker) = worker {
        registry.register_collector(Box::new(WorkerCollector(worker)));
    }
    registry.register_collector(Box::new(EventCollector(events)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Room {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let gauge = ConstGauge::new(i64::try_from(self.free_bytes).unwrap_or(i64::MAX));
        let help = "Room on the disk of the data directory";
        let metric =
            encoder.encode_descriptor("disk_free_bytes", help, None, gauge.metric_type())?;
        gauge.encode(metric)
    }
}

struct ProcessCollector(ProcessView);

/// What it counts is of no use to whoever debugs it.
impl fmt::Debug for ProcessCollector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ProcessCollector")
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ProcessView { restarts, web } = &self.0;
        let counters = [
            (
                "http_connections_refused",
                "Web connections refused because there were too many",
                web.refused(),
            ),
            (
                "http_tls_handshakes_failed",
                "TLS handshakes that came to nothing",
                web.failed_handshakes(),
            ),
        ];
        let kind = ConstCounter::new(0_u64).metric_type();
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        let open = i64::try_from(web.connections()).unwrap_or(i64::MAX);
        let open = ConstGauge::new(open);
        let help = "Web connections that are open";
        let metric =
            encoder.encode_descriptor("http_connections", help, None, open.metric_type())?;
        open.encode(metric)?;
        if let Some(end) = web.certificate_end() {
            let end = ConstGauge::new(end.as_seconds());
            let name = "http_certificate_not_after_seconds";
            let help = "When the certificate of the web listener ends, in seconds since 1970";
            end.encode(encoder.encode_descriptor(name, help, None, end.metric_type())?)?;
        }
        let help = "Tasks started again after they had failed";
        let mut restarted = encoder.encode_descriptor("task_restarts", help, None, kind)?;
        for (name, count) in restarts.list() {
            let counter = ConstCounter::new(count);
            counter.encode(restarted.encode_family(&[("task", name)])?)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct NodeCollector(NodeView);

impl Collector for NodeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let NodeView {
            directory,
            sessions,
            metrics,
            spool,
        } = &self.0;
        for count in Count::ALL {
            let counter = ConstCounter::new(metrics.value(count));
            let name = format!("radius_{}", count.as_str());
            let metric =
                encoder.encode_descriptor(&name, count.help(), None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let zero = ConstCounter::new(0_u64);
        let help = "Datagrams dropped without an answer";
        let kind = zero.metric_type();
        let mut dropped = encoder.encode_descriptor("radius_dropped", help, None, kind)?;
        for drop in Drop::ALL {
            let counter = ConstCounter::new(metrics.drops(drop));
            counter.encode(dropped.encode_family(&[("reason", drop.as_str())])?)?;
        }
        let gauges = [
            (
                "directory_subscribers",
                "Subscribers in memory",
                directory.subscriber_count(),
            ),
            ("directory_plans", "Plans in memory", directory.plan_count()),
            ("directory_nas", "NAS in memory", directory.nas_count()),
            (
                "directory_row_users",
                "Users of FreeRADIUS' tables in memory",
                directory.rows().user_count(),
            ),
            (
                "directory_row_groups",
                "Groups of FreeRADIUS' tables in memory",
                directory.rows().group_count(),
            ),
            (
                "sessions_open",
                "Open sessions of known subscribers",
                sessions.len(),
            ),
            (
                "spool_depth",
                "Accounting records in the spool",
                usize::try_from(spool.depth()).unwrap_or(usize::MAX),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct RetentionCollector(Arc<Removed>);

impl Collector for RetentionCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let zero = ConstCounter::new(0_u64);
        let kind = zero.metric_type();
        let help = "Rows of history that retention removed";
        let mut removed = encoder.encode_descriptor("retention_removed", help, None, kind)?;
        for history in History::ALL {
            let counter = ConstCounter::new(self.0.rows(history));
            counter.encode(removed.encode_family(&[("table", history.table())])?)?;
        }
        let help = "Attempts to remove old history or to make partitions that failed";
        let failures = ConstCounter::new(self.0.failures());
        let metric = encoder.encode_descriptor("retention_failures", help, None, kind)?;
        failures.encode(metric)
    }
}

#[derive(Debug)]
struct WorkerCollector(Arc<WorkerCounts>);

impl Collector for WorkerCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = &self.0;
        let zero = ConstCounter::new(0_u64);
        let kind = zero.metric_type();
        let help = "Questions to routers about open sessions";
        let mut asked = encoder.encode_descriptor("session_command_questions", help, None, kind)?;
        for answer in Answer::ALL {
            let counter = ConstCounter::new(counts.answers(answer));
            counter.encode(asked.encode_family(&[("answer", answer.as_str())])?)?;
        }
        let help = "Session commands that came to an end";
        let mut settled =
            encoder.encode_descriptor("session_commands_settled", help, None, kind)?;
        for state in CommandState::FINAL {
            let counter = ConstCounter::new(counts.settled(state));
            counter.encode(settled.encode_family(&[("state", state.as_str())])?)?;
        }
        let others = [
            (
                "session_command_failures",
                "Failed attempts to take or store session commands",
                counts.failures(),
            ),
            (
                "session_commands_buried",
                "Session commands put aside because they cannot be read",
                counts.buried(),
            ),
        ];
        for (name, help, value) in others {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct EventCollector(EventView);

impl Collector for EventCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let EventView {
            hub,
            teller,
            webhooks,
        } = &self.0;
        let counters = [
            (
                "events_stored",
                "Events about sessions, logins and routers that were stored",
                teller.stored(),
            ),
            (
                "events_lost",
                "Events that came faster than they could be stored",
                teller.lost(),
            ),
            (
                "webhook_delivered",
                "Messages that the endpoints of webhooks took",
                webhooks.delivered(),
            ),
            (
                "webhook_failed",
                "Attempts to deliver to webhooks that failed",
                webhooks.failed(),
            ),
            (
                "webhook_disabled",
                "Webhooks that were given up",
                webhooks.disabled(),
            ),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        let readers = i64::try_from(hub.reader_count()).unwrap_or(i64::MAX);
        let gauge = ConstGauge::new(readers);
        let help = "Who listens to events, webhooks among them";
        let metric = encoder.encode_descriptor("event_readers", help, None, gauge.metric_type())?;
        gauge.encode(metric)
    }
}
