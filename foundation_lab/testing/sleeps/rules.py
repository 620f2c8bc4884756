"""Rules: which words around a sleep speak for which purpose, and how strongly.

A word counts most in a comment at the sleep, less in names, and less again in the statements before
and after. The weights were set by reading suites; they are evidence, not proof.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from foundation_lab.testing.sleeps.purposes import Purpose


class Rule(NamedTuple):
    """A pattern that speaks for a purpose, with its weight."""

    pattern: re.Pattern[str]
    purpose: Purpose
    weight: float


class Clue(NamedTuple):
    """One thing about one sleep that speaks for a purpose, in words."""

    purpose: Purpose
    weight: float
    words: str


def _rules(*lines: tuple[str, Purpose, float]) -> tuple[Rule, ...]:
    return tuple(Rule(re.compile(pattern, re.IGNORECASE), p, w) for pattern, p, w in lines)


COMMENTS = _rules(
    (
        r"\bsimulat|artificial|pretend|\bmimic|emulat|(takes|taking) (a )?long|long[- ]running|\bslow\b(?! (on|machine|ci|systems?|box|host|runner|computer|hardware|bot))|do(ing)? (some )?work|some work|\bheavy\b",
        Purpose.SIMULATED_WORK,
        8.5,
    ),
    (r"\bblock(s|ing)?\b|\bhang|\bbusy\b|longer than (the )?timeout", Purpose.SIMULATED_WORK, 2.5),
    (
        r"expir|\bttl|time[- ]to[- ]live|\blease|\bstale|\bevict|rate[- ]?limit|\bbucket|\bquota|\bwindow\b|token[s]? (to )?refill|refill|cooldown",
        Purpose.EXPIRY,
        5,
    ),
    (r"time(d)?[- _]?out", Purpose.EXPIRY, 3),
    (
        r"restart|reload|boot|(come|came|coming) (back )?up|shut(ting)?[ -]?down|\bspawn|\bfork|to (die|exit|terminate)|\b(server|process|worker|service|daemon|broker|container)(es|s)?( (?!pick)\w+)? (to |has |have |is )*(be )?(start|stop|ready|up\b|down|finish setting|reload|running|listen|initiali[sz])|start[- ]?up",
        Purpose.PROCESS_RESTART,
        5,
    ),
    (r"re-?tr(y|ies)|back-?off|reconnect", Purpose.RETRY, 4.5),
    (r"breaker|half[- ]?open|\bcircuit", Purpose.BREAKER, 4.5),
    (
        r"messages?\b|publish|deliver|notif|subscri|\bsignal|propagat|broadcast|\bbroker\b|\bqueued?\b|\bevent (is|to|has|gets)|\bevents? (are|to|have)\b|consum",
        Purpose.PUBLISH,
        3,
    ),
    (
        r"\bpool|\bidle\b|connections? (to )?(be )?(return|releas|clos|establish)",
        Purpose.POOL,
        3.5,
    ),
    (
        r"clean(?!ly)|tear ?down|to be (closed|freed|released|removed)|garbage|collected|\bgc\b|\bdrain|release (the )?(port|resource|socket|file)",
        Purpose.CLEANUP,
        3.5,
    ),
    (
        r"\binterval|schedul|\btimer|heart-?beat|\bticks?\b|\bperiod|\bcron|\bpings?\b|keep-?alive|\bdelay (has|time|to (pass|elapse|expire|run out))|next (second|minute|run)|fallback|\beta\b|countdown|due\b",
        Purpose.TIMER,
        4,
    ),
    (r"\bpolling\b", Purpose.POLLING, 3),
    (
        r"(make sure|ensure)\b.*\b(waiting|running|ready|started|blocked|stuck|listening)\b",
        Purpose.ASYNC_TASK,
        2,
    ),
    (
        r"\byield\b|event loop|context switch|other (tasks?|coroutines?|threads?|greenlets?) (to )?(get |have )?(a )?(chance|run)|give .*control|next (loop )?iteration|hand over",
        Purpose.YIELD,
        4,
    ),
    (
        r"(chance|time|opportunity) (for|to) |giv(e|es|ing)\b.* time\b|(let|allow|make sure|ensure)\b.*\b(finish|complete|start|run|settle|process(ed)?|begin|execut\w*|happen|get|invalidat\w+)\b|in[- ]flight|in the background|enough time|\btasks?\b|\bthreads?\b|\bjobs?\b|callback|\bworkers?\b|settled|\bflush|coroutine|\bpick(s|ed)? (\w+ )*up\b|(long|time) enough|(to|until|it|is|are|has|have) (finish|complete|done|start|run)",
        Purpose.ASYNC_TASK,
        3,
    ),
    (
        r"(should|must|does|(?<=\w )do|did|has|have|is|are|was|were|will|would)(n't| not)\b|no (more|further|additional|new|other|longer)|never|nothing|\bstill\b|remain|unchanged|\bexpect\b.*\bnot\b|not (be )?(called|trigger|fire|expire)",
        Purpose.NEGATIVE_WAIT,
        2.5,
    ),
    (
        r"\bno (\w+ ){1,3}(fire|happen|come|arrive|appear|run|start|leak|(is|was|are|were|be|gets?) \w+)s?\b",
        Purpose.NEGATIVE_WAIT,
        4,
    ),
    (
        r"^(check|verify|ensure|make sure|assert)( that)? (no|nothing|nobody|none)\b",
        Purpose.NEGATIVE_WAIT,
        6,
    ),
    (r"\bno [\w/ ]+ (has|have) \w+", Purpose.NEGATIVE_WAIT, 3),
    (
        r"(should|must|is|are|has|have) still|still (be|is|there|alive|open|closed|the same)|nothing happen|no (additional|further|more|new) \w+",
        Purpose.NEGATIVE_WAIT,
        2,
    ),
    (
        r"timestamps?|\bdiffer|distinct|\bunique|\bapart\b|\bthrottl|not (to )?overload|stagger|spread|ensure .*(order|newer|later|older)|measur|resolution|mtime|rate of|don'?t (hammer|flood|spam)|between (each|requests|calls|runs|iterations)",
        Purpose.PACING,
        4,
    ),
    (
        r"\bexternal|third[- ]party|\bdatabase|replica|replication|\bnetwork|docker|elastic|kafka|kubernetes|\baws\b|\bindex(ing|ed)?\b|eventual|cluster|browser|page to load|\bserver\b|not (immediately|instantly) \w+",
        Purpose.EXTERNAL_SYSTEM,
        2.5,
    ),
)
"""For comments at the sleep and right above it."""

NAMES = _rules(
    (
        r"expir|ttl\b|_ttl|time_to_live|stale|evict|lease|rate_?limit|window(?!s)|leaky|quota|throttle|keep_?ttl|visibility|debounce|sliding",
        Purpose.EXPIRY,
        2,
    ),
    (r"timed?_?out|deadline|grace", Purpose.EXPIRY, 1.2),
    (r"(?<!gridfs_)bucket", Purpose.EXPIRY, 2),
    (r"cache", Purpose.EXPIRY, 0.7),
    (r"breaker|circuit|half_?open", Purpose.BREAKER, 1.5),
    (r"retr(y|ies)|backoff|reconnect", Purpose.RETRY, 1.2),
    (
        r"restart|reload|startup|shutdown|process\b|kill|sigterm|sighup|pidfile|warm_shutdown|daemon|fork",
        Purpose.PROCESS_RESTART,
        1.5,
    ),
    (
        r"pub_?sub|publish|notif|subscri|signal|broadcast|message|event_?bus|listener|keyspace|consume",
        Purpose.PUBLISH,
        1.2,
    ),
    (r"connection_?pool|conn_?pool|idle_conn", Purpose.POOL, 1),
    (
        r"schedul|interval|timer|periodic|cron|heart_?beat|countdown|delay|\beta\b|beat\b",
        Purpose.TIMER,
        1.5,
    ),
    (r"poll|wait_for|wait_until|(^|_)until(_|$)", Purpose.POLLING, 1),
)
"""For the names of the test, its class and its file."""

BEFORE = _rules(
    (
        r"create_task|ensure_future|start_soon|\.submit\(|Thread\(|\.start\(\)|run_in_executor|apply_async|\.delay\(|enqueue|spawn\(|nursery|start_background|create_background|run_coroutine_threadsafe|call_soon|add_task|_in_thread|greenlet",
        Purpose.ASYNC_TASK,
        3,
    ),
    (
        r"Popen|subprocess|os\.kill|\.kill\(|\.terminate\(|send_signal|SIG(HUP|TERM|INT|KILL|USR)|Process\(|start_(server|worker|cli|process|app)|restart|\.reload|systemctl|docker|os\.fork|start_worker|run_server|\.touch\(",
        Purpose.PROCESS_RESTART,
        4,
    ),
    (
        r"publish|\bnotify\(|self\.notify|\.emit\(|\.send\(|broadcast|send_message|\.put(_nowait)?\(|produce|basic_publish|dispatch|\bfire\(|\.trigger\(|xadd|send_command",
        Purpose.PUBLISH,
        2.5,
    ),
    (r"ttl|expire|\bp?ex=|\bpx=|\bexpiration|visibility", Purpose.EXPIRY, 2),
    (r"breaker|circuit|\.trip\(|CBState|STATE_OPEN|half_open", Purpose.BREAKER, 1.5),
    (r"getconn|get_connection|putconn|conn_?pool|connection_?pool", Purpose.POOL, 1.5),
    (
        r"schedul(?!er=)|add_job|call_later|call_at|interval|heartbeat|countdown|\beta=|Timer\(|\bcron",
        Purpose.TIMER,
        2,
    ),
    (r"gc\.collect", Purpose.CLEANUP, 3),
    (r"event\.wait\(|started\.wait\(|_event\.wait\(", Purpose.ASYNC_TASK, 2),
)
"""For the statements before the sleep, the nearest first."""

AFTER = _rules(
    (
        r"not .*\.(done|is_set|triggered|expired)\(?|refute|still|PENDING|ready\(\) is False|(done|called|is_set)\(\) is False",
        Purpose.NEGATIVE_WAIT,
        1.5,
    ),
    (
        r"assert not\b|assertFalse|is None\b|== \[\]|== 0\b|, b?(''|\"\")\)|== b?(''|\"\")|assertIsNone|assert_not_called|assert_not_awaited|not [\w.]*\.called|call_count == 0",
        Purpose.NEGATIVE_WAIT,
        1,
    ),
    (
        r"\.cancel\(|\.join\(|\.result\(|\.done\(|await task|gather\(|is_finished|is_alive|get_status|is_stopped|\.state\b",
        Purpose.ASYNC_TASK,
        2,
    ),
    (r"ttl|exists\(|expired|is_expired|\bpttl", Purpose.EXPIRY, 2),
    (
        r"not_owned|LockNotOwned|NotOwned|locked\(|owned\(|reacquire|extend\(|\.restore_",
        Purpose.EXPIRY,
        2,
    ),
    (r"acquire", Purpose.EXPIRY, 0.8),
    (
        r"get_message|received|notifies|notification|drain_events",
        Purpose.PUBLISH,
        2,
    ),
    (r"circuit|breaker|CBState|half_open|\.state ==", Purpose.BREAKER, 2),
    (
        r"num_connections|in_use|available_conn|checkedout|\bpool\.(idle|size|free)",
        Purpose.POOL,
        1.5,
    ),
    (
        r"\.kill\(|\.terminate\(|send_signal|\.poll\(\)|returncode|\.pid\b|os\.kill|proc\.wait|is_running",
        Purpose.PROCESS_RESTART,
        2.5,
    ),
    (r"last_heartbeat|interval", Purpose.TIMER, 2),
    (r"gc\.collect", Purpose.CLEANUP, 3),
    (r"assert_called|assert_awaited|assert_any_call|has_calls", Purpose.ASYNC_TASK, 1.5),
    (
        r"time\(\)|perf_counter|elapsed|assertGreater|assertLess|updated_at|modified|timestamp|\btime\b.*[<>]",
        Purpose.PACING,
        1.5,
    ),
)
"""For the statements after the sleep, the nearest first, up to the next sleep."""

DURATIONS = _rules(
    (r"ttl|expir|lease|window|rate|stale|visibility|age\b|lifetime", Purpose.EXPIRY, 5),
    (r"time_?out", Purpose.EXPIRY, 3),
    (r"reset_timeout|recovery|grace_period", Purpose.BREAKER, 4),
    (r"back_?off|retry|failover_delay", Purpose.RETRY, 5),
    (r"check_interval|poll", Purpose.POLLING, 3),
    (r"interval|period|heartbeat|tick|frequency|fallback", Purpose.TIMER, 4),
    (r"pause|pace|gap|think", Purpose.PACING, 3),
    (r"startup|boot|shutdown", Purpose.PROCESS_RESTART, 3),
    (r"latency|work|processing|slow|busy", Purpose.SIMULATED_WORK, 3),
)
"""For the names in the duration itself."""

LIMITS = _rules(
    (
        r"reset_timeout|recovery_timeout|recovery|open_duration|sleep_window|open_timeout|half_open",
        Purpose.BREAKER,
        5,
    ),
    (
        r"ttl|expir|^p?ex$|^px$|lease|window|rate|stale|max_age|lifetime|visibility|max_?idle|idle_?time|keep_alive|duration|timeout|time_limit|deadline|grace",
        Purpose.EXPIRY,
        4,
    ),
    (r"back_?off|retry|failover_delay|wait$|reconnect", Purpose.RETRY, 4),
    (
        r"interval|period|every|schedule|delay|countdown|eta|heartbeat|fallback|tick|seconds|frequency|cron",
        Purpose.TIMER,
        4,
    ),
)
"""For what was set before to a time that the sleep just waits out."""

FINISHED = re.compile(r"\.(result|join)\(")
"""Statements that wait themselves for what they start."""

INNER_STEPS = re.compile(
    r"^_?(wait|poll|teardown|tear_down|cleanup|finali[sz]|until|eventually|retry)", re.IGNORECASE
)
"""Inner functions that are steps of the test, and no work that it looks at."""

WAITING = re.compile(r"(^|_)wait(_|$|ing)|^_*(delay_for|sleep_until|settle|let_)", re.IGNORECASE)
"""Functions whose name says that they wait."""

WORK_NAMES = re.compile(
    r"slow|hang|long|block|sleep|never|forever|work|job|task|delay|handler|callback|consumer|actor"
    r"|producer|target|busy|stall|stuck|lazy|pending|side_effect|infinite|coro|fake|mock|stub|dummy",
    re.IGNORECASE,
)
"""Functions whose name says that they are work."""

DOUBLES = re.compile(
    r"fake|mock|stub|dummy|slow|hanging|blocking|delayed|lazy|sleep|never", re.IGNORECASE
)
"""Classes that stand for something else."""

TASKS = re.compile(
    r"\.task\b|\bactor\b|shared_task|\.route\b|\.get\(|\.post\(|\bjob\b|periodic|\btask\b|\.agent\b|\.command|\bperiodiq\b|\.job\b|\.process\b|\.thread\b|\bremote\b|\bdelayed\b"
)
"""Decorators of work that somebody else runs."""

TEARDOWN = re.compile(
    r"^_?(tear_?down\w*|asyncTearDown|tearDownClass|clean_?up\w*|finali[sz]e\w*|pytest_unconfigure|stop_\w+|close\w*|aclose)$",
    re.IGNORECASE,
)
"""Functions that put things in order after a test."""

STARTING = re.compile(
    r"^_?(start|launch|run(?!ner)|spawn|boot|setup|setUp|setUpClass|restart|init)\w*", re.IGNORECASE
)
"""Functions that start something and then wait a little."""

STARTED = re.compile(
    r"server|process(?!or)|proc\b|worker|cluster|broker|service|daemon|container|proxy|subprocess|Popen"
    r"|kernel|engine|nanny|supervisor",
    re.IGNORECASE,
)
"""What they start."""

LIFECYCLE = re.compile(
    r"\b([a-z_][\w.]*)\.(start|stop|shutdown|restart|reload|terminate|kill|launch|boot)\w*\("
)
"""Calls that start or stop what they are called on."""

HELD = re.compile(
    r"lock|acquire|time_?out|timer\b|timed|\.time\(|fail_after|fail_at|move_on|raises|measure|span|limit"
    r"|semaphore|cancel_?scope|elapsed|profil|stopwatch|slot|busy|throttl",
    re.IGNORECASE,
)
"""Blocks whose time is what they are about: what sleeps in them stands for work."""

ENDED = re.compile(r"(time_?out\w*|fail_after|fail_at|move_on\w*)\(", re.IGNORECASE)
"""Those of them that end what takes too long."""

TEST_CLASSES = re.compile(r"test|case|mixin|base\b|fixture", re.IGNORECASE)
"""Classes that hold tests, or help them."""

RETRYING = re.compile(r"retr(y|ies)|reconnect", re.IGNORECASE)
"""Functions whose name says that they try again."""

CALLED = re.compile(r"assert_(called|awaited|any_call|has_calls)")
"""Assertions that a double was called."""

STOPPED = re.compile(
    r"not [\w.]*(stop|shut_?down|closed|closing|exit|quit|cancel|terminat|expired)|^[\w.]*(running|active)$",
    re.IGNORECASE,
)
"""Conditions of loops that go on until they are told to stop."""
ABOUT_THE_SLEEP = re.compile(r"\b(rather than|instead of|replace|avoid|without)\b.*\bsleep")
"""Comments on the code, which tell nothing of what it waits for."""
ABOUT_A_WAIT = re.compile(r"\b(wait|make sure|ensure|give|let|until|allow)\b", re.IGNORECASE)
"""Comments that say that something is waited for, and perhaps not what."""
PAUSES = re.compile(r"delay|wait|pause|sleep|settle|catch_?up|nap|breath|tick", re.IGNORECASE)
"""Helpers that are named after the time that they take."""
SENT = re.compile(r"send|publish|emit\(|\.put\(|produce|notify\(|broadcast")
"""Statements that send something: after a sleep, that is not what it waited for."""
