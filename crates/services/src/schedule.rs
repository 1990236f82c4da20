//! Does what is due again and again, on one node at a time, and keeps what became of each run.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use storage::error::StoreError;
use storage::schedule::{NewSchedule, ScheduleRun};
use storage::store::Store;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};
use tracing::{debug, warn};

/// How often it is looked what is due, or wanted.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is said that runs go on.
const EXTEND_EVERY: Duration = Duration::from_secs(15);

/// Wait before the database is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// What a run came to: what was done, or why it failed.
pub type Outcome = Result<String, String>;

/// One run of something.
pub type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Something that is done again and again.
#[derive(Clone)]
pub struct Task {
    pub schedule: NewSchedule,
    pub work: Arc<dyn Fn() -> Running + Send + Sync>,
}

/// Runs under way in this process.
struct UnderWay {
    runs: JoinSet<Outcome>,
    begun: HashMap<Id, ScheduleRun>,
}

impl Task {
    /// A task whose runs are made by a function.
    pub fn new<F, T>(schedule: NewSchedule, work: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Outcome> + Send + 'static,
    {
        Self {
            schedule,
            work: Arc::new(move || Box::pin(work())),
        }
    }
}

/// Works until it is dropped. A run that is under way then is lost, which the next one notes.
pub async fn run(store: Store, tasks: Vec<Task>) {
    let schedules: Vec<NewSchedule> = tasks.iter().map(|task| task.schedule).collect();
    let mut under_way = UnderWay {
        runs: JoinSet::new(),
        begun: HashMap::new(),
    };
    let (mut look, mut extend) = (every(LOOK_EVERY), every(EXTEND_EVERY));
    let mut is_declared = false;
    loop {
        let outcome = match is_declared {
            false => store.schedule_declare(&schedules).await.map(|()| {
                is_declared = true;
            }),
            true => turn(&store, &tasks, &mut under_way, (&mut look, &mut extend)).await,
        };
        if let Err(problem) = outcome {
            warn!(
                error = &problem as &dyn std::error::Error,
                "Schedules cannot be run for want of the database"
            );
            sleep(STORE_PAUSE).await;
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn turn(
    store: &Store,
    tasks: &[Task],
    under_way: &mut UnderWay,
    (look, extend): (&mut Interval, &mut Interval),
) -> Result<(), StoreError> {
    tokio::select! {
        Some(ended) = under_way.runs.join_next_with_id() => end(store, under_way, ended).await,
        _ = extend.tick() => match under_way.runs.is_empty() {
            true => Ok(()),
            false => store.schedule_extend().await.map(|_| ()),
        },
        _ = look.tick() => begin_due(store, tasks, under_way).await,
    }
}

/// Begins what is due and what nobody else has begun.
async fn begin_due(
    store: &Store,
    tasks: &[Task],
    under_way: &mut UnderWay,
) -> Result<(), StoreError> {
    for name in store.schedule_due().await? {
        // What another version of the program declared is none of ours.
        let Some(task) = tasks.iter().find(|task| task.schedule.name == name) else {
            continue;
        };
        if let Some(run) = store.schedule_begin(&name).await? {
            let handle = under_way.runs.spawn((task.work)());
            under_way.begun.insert(handle.id(), run);
        }
    }
    Ok(())
}

async fn end(
    store: &Store,
    under_way: &mut UnderWay,
    ended: Result<(Id, Outcome), JoinError>,
) -> Result<(), StoreError> {
    let (id, outcome) = match ended {
        Ok(ended) => ended,
        Err(problem) => (
            problem.id(),
            Err("it panicked: see the program's log".to_owned()),
        ),
    };
    let Some(run) = under_way.begun.remove(&id) else {
        return Ok(());
    };
    let name = run.schedule.as_str();
    match &outcome {
        Ok(report) => debug!(schedule = name, "Ran {name}: {report}"),
        Err(error) => warn!(
            schedule = name,
            error = error.as_str(),
            "Running {name} failed"
        ),
    }
    let outcome = outcome.as_deref().map_err(String::as_str);
    store.schedule_end(&run, outcome).await
}
