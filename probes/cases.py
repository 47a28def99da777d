"""The catalogue of the platform's promises (contract §12): public ids, plain words, and what checking does."""

import difflib

from synthetics.errors import ProbeBroken
from synthetics.model.check import Case, Effect

_COLD_START = {
    "CS-01": (
        "A sleeping site wakes for a change, shows it in its preview, and goes to sleep again.",
        "scale",
    ),
    "CS-02": ("A session that expires reads as expired, and one that is deleted is gone.", "rows"),
    "CS-03": ("When nobody works any more, no edit task is left running.", "scale"),
    "CS-04": ("A session without a client is refused, and nothing is started for it.", "no"),
    "CS-05": ("A container that is not ready yet says so, and asking early harms nothing.", "no"),
    "CS-06": ("From no container at all, a session is ready within a minute.", "scale"),
    "CS-07": ("With a container up, another session is made within five seconds.", "no"),
    "CS-08": ("The preview address that a session is given can be opened.", "no"),
}
_PERSISTENCE = {
    "SP-01": ("Files are still there after the container was stopped and started again.", "scale"),
    "SP-02": ("The git history is still there after the container was stopped and started again.", "scale"),
    "SP-03": ("A session keeps its client, status and notes while it is used.", "rows"),
    "SP-04": ("A session past its time reads as expired and can be deleted.", "rows"),
    "SP-05": ("Two customers never share a workspace.", "no"),
    "SP-06": ("Work on a header can be taken up after a restart, with its history.", "scale"),
    "SP-07": ("A look at a file of a warm container takes less than two seconds.", "no"),
}
_CONCURRENCY = {
    "CC-01": ("Three sessions asked for at once are made, and at least one is ready soon.", "load"),
    "CC-02": ("Two customers at work at once never see each other's files.", "no"),
    "CC-03": ("More sessions never lead to fewer edit tasks.", "scale"),
    "CC-04": ("However many sessions are asked for, there are never more than three edit tasks.", "load"),
    "CC-05": ("The end of one session leaves the other untouched.", "rows"),
    "CC-06": ("Three sessions at once are made in ten seconds on average, and ready in ninety.", "load"),
    "CC-07": ("Three users at once each get their own page in their own workspace.", "load"),
    "CC-08": ("Sessions that are left alone expire each by itself, and no edit task is left.", "no"),
    "CC-09": ("How many sessions a second are made, and how late the slowest, can be told.", "no"),
}
_ROUTING = {
    "AR-01": ("The load balancer's health path answers.", "no"),
    "AR-02": ("Paths under /api reach something that answers.", "no"),
    "AR-03": ("Paths under /hermes reach something that answers.", "no"),
    "AR-04": ("A session's page and what lies below it can be reached.", "no"),
    "AR-05": ("A request that names its session in a header reaches that session's container.", "no"),
    "AR-06": ("A live-reload connection of a session opens within ten seconds.", "no"),
    "AR-07": ("Requests for two sessions are each answered for their own session.", "no"),
    "AR-08": ("A session that nobody knows is answered as such.", "no"),
    "AR-09": ("Malformed requests are turned away and break nothing.", "no"),
    "AR-10": ("Answers come within two seconds on average, and never later than five.", "no"),
    "AR-11": ("The API's health path answers 200.", "no"),
    "AR-12": ("Hermes says that it is healthy.", "no"),
}
_RECOVERY = {
    "FR-01": ("A container that crashes is back within two minutes, with its files and its session.", "kill"),
    "FR-02": ("Twenty sessions asked for at once are made or cleanly refused.", "load"),
    "FR-03": ("After any run, nothing of it is left on the platform.", "scale"),
    "FR-04": ("After a crash, rows say what they said before, but for the task.", "no"),
    "FR-05": ("Asking for more than there is room for starts no more than three tasks, which all end.", "load"),
    "FR-06": ("Sessions made at three times the usual rate are still made.", "load"),
    "CH-01": ("When the network is cut, work ends in time, and goes on when it is back.", "fault"),
    "CH-02": ("When the load balancer or Hermes is away, work ends in time, and goes on afterwards.", "fault"),
    "CH-03": ("Requests that time out can be tried again without making things twice.", "fault"),
    "CH-04": ("When AWS answers with errors, work fails cleanly and leaves nothing behind.", "fault"),
    "CH-05": ("A container short of memory is restarted or slows, with its files intact.", "fault"),
    "CH-06": ("A container short of CPU slows, and nothing else.", "fault"),
    "CH-07": ("A container that loses its file system comes back with its files intact.", "fault"),
    "CH-08": ("A clock that is off leads to no wrong state.", "fault"),
    "CH-09": ("A session whose time ends this very second is either alive or expired, never both.", "fault"),
    "CH-10": ("Scaling up and down at once ends in the count that was asked for last.", "fault"),
    "CH-11": ("An answer that comes just when its time is over leads to no wrong state.", "fault"),
    "PB-01": ("Cold starts, repeated, stay under a minute.", "scale"),
    "PB-02": ("Warm starts, repeated, stay under five seconds.", "scale"),
}
_RESUMPTION = {
    "SR-01": ("A chat whose container is stopped is woken by one request, within a minute.", "rows"),
    "SR-02": ("A chat whose container runs is answered within two seconds.", "rows"),
    "SR-03": ("Waking a chat that nobody knows is answered with 404.", "no"),
    "SR-04": ("A look at the preview of a sleeping chat shows a waking page, and wakes it.", "rows"),
    "SR-05": ("The preview of a chat that nobody knows says that there is no such session.", "no"),
    "SR-06": ("A live-reload connection through the router is refused in clear words.", "rows"),
    "SR-07": ("A chat left alone for twenty minutes sleeps, and wakes when it is asked to.", "rows"),
    "SR-08": ("Three who wake one chat at once are all served, by one container.", "load"),
    "SR-09": ("A wake is accepted in five seconds, started in forty-five, done in fifty.", "rows"),
    "SR-10": ("A wake that was refused for want of room works once there is room again.", "fault"),
    "SA-01": ("The answer to a wake has the members that were agreed, and their types.", "no"),
    "SA-02": ("Waking something unknown is answered with 404 and a sentence.", "no"),
    "SA-03": ("A wake that fails is answered with 500 and its reason.", "no"),
    "SA-04": ("A wake that lacks a member is answered with 400.", "no"),
    "SA-05": ("A session can be made, asked about, woken, kept and let go through the API.", "no"),
    "SA-06": ("With the tables away, a wake is answered with 500.", "fault"),
    "SA-07": ("With ECS away, a wake is answered with 500.", "fault"),
    "SA-08": ("A container that does not start in time is answered with 500 and the word timeout.", "fault"),
    "SA-09": ("Five wakes at once of a running container are all answered as running.", "load"),
    "SA-10": ("One wake of a running container is answered within half a second.", "load"),
    "SV-01": ("Waking a container that runs leaves it as it is.", "fault"),
    "SV-02": ("Waking an idle container sends it a wake message.", "fault"),
    "SV-03": ("Waking a stopped container starts it: its row says starting, then running.", "fault"),
    "SV-04": ("Waking a session that nobody knows is refused.", "fault"),
    "SV-05": ("A container that never becomes healthy is given up in time.", "fault"),
    "SV-06": ("A session can be woken by its chat thread.", "fault"),
    "SV-07": ("An unknown chat thread leads to no session at all.", "fault"),
    "SV-08": ("A wake survives an error of the tables with a clean refusal.", "fault"),
    "SV-09": ("A wake survives an error of the start with a clean refusal.", "fault"),
    "LR-01": ("The router reads the chat and the customer out of the address.", "no"),
    "LR-02": ("The router finds the container of a chat in the tables.", "no"),
    "LR-03": ("The router wakes a container that sleeps.", "no"),
    "LR-04": ("The router shows a page that says what is wrong.", "no"),
    "LR-05": ("The router passes requests on to the container.", "no"),
    "AS-01": ("A container that starts registers itself as running.", "rows"),
    "AS-02": ("A container that cannot register itself works all the same.", "rows"),
    "AS-03": ("A container notes its last activity at most once a minute.", "rows"),
    "AS-04": ("A container with active sessions stays awake.", "rows"),
    "AS-05": ("A container without active sessions goes to sleep after the idle limit.", "rows"),
    "AS-06": ("A container saves unfinished work before it goes to sleep.", "rows"),
    "AS-07": ("A container whose work cannot be saved goes to sleep all the same.", "rows"),
    "AS-08": ("A container with nothing unsaved goes to sleep without a commit.", "rows"),
    "AS-09": ("A container's row tells whether it is active or idle.", "rows"),
    "AS-10": ("A container that cannot count its sessions stays awake.", "rows"),
    "AS-11": ("Starting or stopping a container twice is the same as once.", "rows"),
    "AS-12": ("A container works on while the tables are away.", "rows"),
}
_SHARING = {
    "SH-01": ("Two chats of one user on one project share a container.", "no"),
    "SH-02": ("Two projects never share a container.", "no"),
    "SH-03": ("Two users never share a container.", "no"),
    "SH-04": ("Two chats in one container work on branches of their own.", "no"),
    "INT-01": ("A message from one chat interrupts the other chat's command, and both are told.", "no"),
    "INT-02": ("Of three messages in quick succession, only the last one is carried out.", "no"),
    "INT-03": ("Work that was interrupted is saved.", "no"),
    "INT-04": ("An interrupt takes no more than five seconds and leaves the container up.", "no"),
    "QM-01": ("A container has its three queues, with the right names.", "no"),
    "QM-02": ("A second chat in a container makes no further queues.", "no"),
    "QM-03": ("The addresses of a container's queues are written down.", "no"),
    "QM-04": ("Five seconds after a container has ended, its queues are gone.", "kill"),
    "QM-05": ("A new session's queues are known within two seconds.", "no"),
    "QM-06": ("Five seconds after its last session closed, a container's queues are gone.", "no"),
    "QM-07": ("Queues without a container are found after an hour and may go after a day.", "no"),
    "QM-08": ("Queues have the agreed visibility, retention, waiting time and dead letters.", "no"),
    "QM-09": ("Cleaning up after a container that never was does no harm.", "no"),
    "MP-01": ("Commands of one chat are carried out in their order.", "no"),
    "MP-02": ("Two chats in one container each get the answers to their own commands.", "no"),
    "MP-03": ("Commands of two chats at once are all answered.", "no"),
    "MP-04": ("What one chat made is never on the other chat's branch.", "no"),
    "MP-05": ("A command that was answered leaves no message behind.", "no"),
    "MP-06": ("Every type of command is accepted.", "no"),
    "MP-07": ("A command without a container to take it waits in its queue.", "no"),
    "CL-01": ("A container's row counts the sessions that use it.", "no"),
    "CL-02": ("A container that was ended comes back under its own id, as a new task.", "kill"),
    "CL-03": ("A container lives as long as anyone uses it, sleeps after, and can be woken again.", "no"),
    "CL-04": ("A container that nobody uses stops after the idle limit, and its task ends.", "no"),
    "CL-05": ("Unsaved files survive sleep, as a commit on their own branch.", "no"),
    "CL-06": ("A row that says running while the task is dead is put right, and a new task starts.", "rows"),
    "CL-07": ("A container's task tells by its tags whose it is.", "no"),
    "TH-01": ("A mail's thread is found by its first reference.", "no"),
    "TH-02": ("A mail's thread is found by the mail it answers.", "no"),
    "TH-03": ("A new mail's thread is found by its own id.", "no"),
    "TH-04": ("Brackets around a mail's id make no difference to its thread.", "no"),
    "TH-05": ("Short messages between two numbers are one thread, whoever writes.", "no"),
    "TH-06": ("A chat's messages are one thread.", "no"),
    "TH-07": ("A thread that goes on in another channel keeps its session.", "no"),
    "TH-08": ("A message that tells nothing of its thread gets one of its own.", "no"),
}
_LOAD = {
    "LD-01": ("Ten sessions over three projects are all served.", "load"),
    "LD-02": ("Twenty-five sessions at once are served, nine in ten of them at least.", "load"),
    "LD-03": ("A burst of fifteen sessions is served, eight in ten of them at least.", "load"),
    "LD-04": ("Two sessions a second for a minute are served without slowing down.", "load"),
    "LD-05": ("What ten sessions take in queues and containers stays within bounds.", "load"),
}
_END_TO_END = {
    "E2E-01": ("A mail leads to a preview within a minute.", "load"),
    "E2E-02": ("The number of edit tasks follows the number of active sessions.", "scale"),
    "INF-01": ("The edit service is active.", "no"),
    "INF-02": ("Hermes' service is active.", "no"),
    "INF-03": ("The sessions table can be read.", "no"),
    "INF-04": ("The platform's metrics can be read.", "no"),
    "INF-05": ("The monitor makes well-formed test data.", "no"),
    "INF-06": ("The monitor's waits take as long as they say.", "no"),
    "INF-07": ("The monitor's ids never repeat.", "no"),
    "INF-08": ("The monitor writes durations and costs so that they can be read.", "no"),
    "INF-09": ("The load balancer can be reached.", "no"),
    "INF-10": ("The addresses of load balancer, Hermes and API have the agreed form.", "no"),
    "INF-11": ("The monitor tries again only as often as it says.", "no"),
    "INF-12": ("The monitor's region is one of AWS's.", "no"),
    "INF-13": ("The monitor's account number has twelve digits.", "no"),
    "INF-14": ("The monitor's names of tables and services are well formed.", "no"),
    "INF-15": ("The monitor's time limits are within reason.", "no"),
    "INF-16": ("AWS itself answers within ten seconds.", "no"),
    "INF-17": ("A row of the queue table can be written, read and deleted.", "rows"),
    "INF-18": ("A row of the thread table can be written, read and deleted.", "rows"),
}
_EFFECTS = {"no": Effect.NONE} | {effect.value: effect for effect in Effect}

CASES: dict[str, Case] = {
    case: Case(case, promise, _EFFECTS[effect])
    for family in (
        _COLD_START,
        _PERSISTENCE,
        _CONCURRENCY,
        _ROUTING,
        _RECOVERY,
        _RESUMPTION,
        _SHARING,
        _LOAD,
        _END_TO_END,
    )
    for case, (promise, effect) in family.items()
}


def cases(*ids: str) -> tuple[Case, ...]:
    """The cases with these ids, in this order. Raises ProbeBroken for an id that the catalogue has not."""
    for wanted in ids:
        if wanted not in CASES:
            near = difflib.get_close_matches(wanted, CASES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ProbeBroken(f"case {wanted!r} is not in the catalogue{hint}")
    return tuple(CASES[wanted] for wanted in ids)
