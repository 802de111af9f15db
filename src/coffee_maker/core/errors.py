"""Every refusal a user can meet: the docstring is the sentence, with a hint, an exit code and an HTTP status.

A refusal is raised with the values that its sentence and hint name: ``raise ItemNotFound(ref="9")``. Faces catch
`Refusal` in one place and print `message` and `hint`; anything else that escapes is our own bug (exit code 3).
"""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

DONE = 0
REFUSED = 1
USAGE = 2
BUG = 3
NOT_FOUND = 4
CONFLICT = 5
TRY_AGAIN = 75
INTERRUPTED = 130


class Refusal(Exception):
    """The operation was refused."""

    code: ClassVar[str] = "refused"
    exit_code: ClassVar[int] = REFUSED
    http_status: ClassVar[int] = 400
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, *, hint: str | None = None, **values: Any) -> None:
        self.values: Mapping[str, Any] = values
        sentence = _sentence(type(self))
        message = sentence.format_map(values)
        doubled = sentence.endswith(".") and message[-2:] in ("?.", "!.", "..")  # a value may be a sentence too
        self.message = message[:-1] if doubled else message
        self.hint = hint if hint is not None else self.default_hint.format_map(values)
        super().__init__(self.message)


def _sentence(kind: type[Refusal]) -> str:
    """The first paragraph of the class's docstring, on one line."""
    return " ".join((kind.__doc__ or kind.__name__).split("\n\n")[0].split())


class NotFound(Refusal):
    """{what} was not found."""

    code = "not_found"
    exit_code = NOT_FOUND
    http_status = 404


class Conflict(Refusal):
    """{what} has changed meanwhile."""

    code = "conflict"
    exit_code = CONFLICT
    http_status = 409


class TryAgain(Refusal):
    """{what} is busy; the bounded wait ran out."""

    code = "try_again"
    exit_code = TRY_AGAIN
    http_status = 503
    retryable = True


class WrongUsage(Refusal):
    """{problem}"""

    code = "usage"
    exit_code = USAGE


# --- locks -----------------------------------------------------------------------------------------------------


class LockBusy(TryAgain):
    """{what} is held by {holder} since {since}; waited {waited}."""

    code = "lock_busy"
    default_hint = "Try again in a moment. If that process hangs, end it: the lock goes with it."


class LockUnusable(Refusal):
    """{path} is not a regular file, so it cannot serve as a lock."""

    code = "lock_unusable"
    default_hint = "Something else put it there: move it out of the data directory, then try again."


# --- the document ----------------------------------------------------------------------------------------------


class ItemNotFound(NotFound):
    """There is no item {ref} in the roadmap."""

    code = "item_not_found"
    default_hint = "`coffee-roadmap view` lists the items."


class AmbiguousReference(Refusal):
    """{ref} could mean several items: {candidates}."""

    code = "ambiguous_reference"
    default_hint = "Name one of them by its full key, e.g. {example}."


class NotText(Refusal):
    """It is not text in UTF-8: {problem}."""

    code = "not_text"
    default_hint = "Save it as UTF-8; `iconv -f OLD -t UTF-8` converts other encodings."


class UnknownStatus(Refusal):
    """{status} is no status."""

    code = "unknown_status"
    default_hint = "Statuses: planned, in_progress, blocked, manual_review, complete, cancelled."


class EditRefused(Refusal):
    """{problem}"""

    code = "edit_refused"


class RevisionChanged(Conflict):
    """{what} is at revision {actual}, not {expected}: somebody changed it meanwhile."""

    code = "revision_changed"
    default_hint = "Look at it again (`coffee-roadmap view {ref}`) and repeat with the new revision."


# --- the roadmap file ------------------------------------------------------------------------------------------


class RoadmapMissing(NotFound):
    """There is no roadmap at {path}."""

    code = "roadmap_missing"
    default_hint = (
        "`coffee-roadmap init` makes one, or puts the last recorded version back; or name yours with --roadmap or"
        " COFFEE_ROADMAP."
    )


class RoadmapUnusable(Refusal):
    """{path} cannot be used as the roadmap: {problem}."""

    code = "roadmap_unusable"


class NotThisRoadmap(Refusal):
    """The data directory {directory} belongs to another roadmap, {other}; this one is {path}."""

    code = "not_this_roadmap"
    default_hint = (
        "Give this project a data directory of its own: --data-dir, or `[data] dir` in coffee-roadmap.toml. "
        "If the other file is an old copy, or this project one with a data directory of its own, take its line out of "
        "{note}."
    )


class SecondDatabase(Refusal):
    """{root} is a linked git work tree of {main}, whose database {directory} has: a change here would begin another."""

    code = "second_database"
    default_hint = (
        "Work in {main}, or share its files: COFFEE_ROADMAP={roadmap} COFFEE_DATA_DIR={directory}. "
        "`coffee-roadmap init` here begins a roadmap and a database of this work tree's own."
    )


class NothingToRestore(NotFound):
    """No recorded version of {path} is kept."""

    code = "nothing_to_restore"


class ChangeNotFound(NotFound):
    """There is no change {id} in the history."""

    code = "change_not_found"
    default_hint = "`coffee-roadmap history` lists them."


class CannotUndo(Conflict):
    """Change {id} cannot be undone: {problem}."""

    code = "cannot_undo"
    default_hint = (
        "`coffee-roadmap history --diff` shows what it changed and what came later; single things can be set again with"
        " `status` and `edit`."
    )


class CannotTake(Conflict):
    """The other side of question {id} cannot be taken: {problem}."""

    code = "cannot_take"
    default_hint = "The answer is recorded and the roadmap stays as it is; change it there if that is what you want."


# --- the store -------------------------------------------------------------------------------------------------


class UnknownDatabase(Refusal):
    """There is no database named {name}; the configured ones are: {known}."""

    code = "unknown_database"


class DatabaseBusy(TryAgain):
    """The database {name} is busy: {holder}; waited {waited}."""

    code = "database_busy"
    default_hint = "Try again in a moment; `coffee-roadmap db status` shows who holds it."


class DatabaseUnusable(Refusal):
    """The database {name} cannot be used: {problem}."""

    code = "database_unusable"
    default_hint = "`coffee-roadmap db check` tells more; `coffee-roadmap db restore` brings back a backup."


class DatabaseGone(TryAgain):
    """The connection to the database {name} was lost; nothing of this operation was recorded."""

    code = "database_gone"
    default_hint = "Try again. If it stays away, look after the server: `coffee-roadmap db status`."


DATABASE_AWAY = (DatabaseBusy, DatabaseGone, DatabaseUnusable)
"""What a server that is restarted, or a disk that is full, raises for a moment."""


class DataDirectoryUnusable(Refusal):
    """The data directory {directory} cannot be used: {problem}."""

    code = "data_directory_unusable"


class BackupUnusable(Refusal):
    """{path} cannot be used as a backup of the database {name}: {problem}."""

    code = "backup_unusable"


class RestoreWouldLose(Conflict):
    """The database {name} was written to at {present}, the backup ends at {backup}: what is newer would be lost."""

    code = "restore_would_lose"
    default_hint = "If that is what you want, repeat with --yes; the present content is kept as a backup first."


class DatabaseDamaged(Refusal):
    """{path} is damaged ({problem}), so no backup can be made of it before another takes its place."""

    code = "database_damaged"
    default_hint = "Repeat with --yes: the damaged files are kept aside under a name that is told."


class DatabaseTooNew(Refusal):
    """The database {name} has schema version {found}; this program knows versions up to {known}."""

    code = "database_too_new"
    default_hint = "Upgrade coffee-roadmap on this machine to at least the version that wrote the database."


# --- messages --------------------------------------------------------------------------------------------------


class NotificationNotFound(NotFound):
    """There is no notification {id}."""

    code = "notification_not_found"
    default_hint = "`coffee-roadmap notifications` lists them."


class AlreadyAnswered(Conflict):
    """Question {id} was already answered by {by} via {via} at {at}: {answer}."""

    code = "already_answered"
    default_hint = "`coffee-roadmap notifications show {id}` shows it whole; ask anew if it has to be settled again."


class KeyTaken(Conflict):
    """The key {key} is that of {kind} {id} already, which says something else: {message}."""

    code = "key_taken"
    default_hint = "Repeat it as it is (`coffee-roadmap notifications show {id}`), or give what is new another key."


class NotAnOption(Refusal):
    """{answer} is none of the options of question {id}: {options}."""

    code = "not_an_option"
    default_hint = "Answer with one of them, by its text or its number."


class NotAnswerable(Refusal):
    """Notification {id} is {state} and takes no answer."""

    code = "not_answerable"
    default_hint = "`coffee-roadmap notifications show {id}` shows it."


class NoAnswerYet(TryAgain):
    """Question {id} was not answered within {waited}; it has expired, which is no refusal."""

    code = "no_answer"
    default_hint = "A late answer still counts: `coffee-roadmap notifications respond {id} ANSWER`."


class StillOpen(NoAnswerYet):
    """Question {id} was not answered within {waited}; it stays open."""

    code = "still_open"
    default_hint = "It can be answered any time: `coffee-roadmap notifications respond {id} ANSWER`."


class BadAnswer(Refusal):
    """Question {id} does not take this answer: {problem}."""

    code = "bad_answer"
    default_hint = "`coffee-roadmap notifications respond {id} ANSWER` answers; - as the answer reads standard input."


class BadNotification(Refusal):
    """The notification was not created: {problem}."""

    code = "bad_notification"
    default_hint = "`coffee-roadmap notify --help` shows how one is made."


class UnknownChannel(Refusal):
    """There is no channel {channel}; the configured ones are: {known}."""

    code = "unknown_channel"
    default_hint = "A channel is set up in coffee-roadmap.toml, in a section [channels.NAME]."


# --- claims ----------------------------------------------------------------------------------------------------


class AlreadyClaimed(Conflict):
    """{item} is claimed by {owner} until {until}."""

    code = "already_claimed"


class ClaimLost(Conflict):
    """The claim on {item} with fencing number {fence} is no longer held by {owner}."""

    code = "claim_lost"


class NoDaemon(NotFound):
    """No daemon is running here."""

    code = "no_daemon"
    default_hint = "`coffee-roadmap daemon start` starts one in the background, `daemon run` one that you see at work."


class DaemonRunning(Conflict):
    """A daemon is running in the background already: {holder}, since {since}."""

    code = "daemon_running"
    default_hint = "`coffee-roadmap daemon status` shows it; `coffee-roadmap daemon stop` ends it."


class DaemonFailed(Refusal):
    """The daemon ended at once: {problem}."""

    code = "daemon_failed"
    default_hint = "Its log is in {log}; `coffee-roadmap daemon dry-run` checks what it needs."


class AlreadyOver(Refusal):
    """{item} is {status}: there is nothing left to do about it."""

    code = "already_over"
    default_hint = "`coffee-roadmap status {item} planned` plans it anew."


class ItemInHand(Conflict):
    """{item} is in the hands of {owner}."""

    code = "item_in_hand"
    default_hint = "`coffee-roadmap daemon skip {item}` makes it leave the item; then try again."


# --- the repository and the agents -----------------------------------------------------------------------------


class GitMissing(Refusal):
    """The program git was not found."""

    code = "git_missing"
    default_hint = "Install git, or put it on the PATH."


class GitFailed(Refusal):
    """git {command} failed: {problem}."""

    code = "git_failed"


class NotARepository(Refusal):
    """{path} is not inside a git repository."""

    code = "not_a_repository"
    default_hint = "Agents work in git work trees of their own: `git init` there, commit what you have, then try again."


class BareRepository(Refusal):
    """{path} is a bare git repository: it has no work tree."""

    code = "bare_repository"
    default_hint = "Clone it (`git clone`), and work in the clone: there are files, which people and agents can change."


class NotForAContainer(Refusal):
    """The project cannot be brought into a container: {problem}."""

    code = "not_for_a_container"


class NoCommitYet(Refusal):
    """The git repository at {path} has no commit yet, so there is nothing to branch from."""

    code = "no_commit_yet"
    default_hint = "Make a first commit, then try again."


class RepositoryBusy(TryAgain):
    """The git repository at {path} is in the middle of a {operation}."""

    code = "repository_busy"
    default_hint = "Bring it to its end (`git status` there says how), then try again; a running daemon waits for it."


class NoSpace(TryAgain):
    """There are less than {least} MB left where {path} is: too few to take up an item."""

    code = "no_space"
    default_hint = "Make room there, then try again; a running daemon goes on by itself."


class BranchInUse(Conflict):
    """The branch {branch} is checked out in {where}."""

    code = "branch_in_use"
    default_hint = "Switch that work tree to another branch, then try again."


class BranchMoved(Conflict):
    """The branch {branch} was changed elsewhere (it is at {now}); what was done in {path} does not build on that."""

    code = "branch_moved"
    default_hint = "Both are kept: rename the branch, or look at the work tree there; then try again."


class WorktreeMoved(Conflict):
    """The work tree {path} should be on {branch}, but it is on {head}."""

    code = "worktree_moved"
    default_hint = "Look at it there; what was done is kept."


class AgentUnusable(Refusal):
    """The agent {agent} cannot run: {problem}."""

    code = "agent_unusable"
    default_hint = "Set [agent] command in coffee-roadmap.toml, or choose another agent with --agent."


# --- tools -----------------------------------------------------------------------------------------------------


class UnknownTool(NotFound):
    """There is no tool {tool}."""

    code = "unknown_tool"
    default_hint = "The tools are: {known}."


class BadArguments(Refusal):
    """{tool} was not called with the arguments that it takes: {problem}."""

    code = "bad_arguments"
    exit_code = USAGE
    default_hint = "{takes}"


class ToolLimit(Refusal):
    """This run has {what} {most} times already, which is the most that a run may."""

    code = "tool_limit"
    default_hint = "Go on with the work; say what is left in your last words or in the commit message."


class NotYourQuestion(NotFound):
    """No question {id} was asked about {item} by its agent."""

    code = "not_your_question"
    default_hint = "Use an id that `ask` has returned. Questions of other items are not shown."


class NotInARun(Refusal):
    """It is not known which item and run the tools are for: {problem}."""

    code = "not_in_a_run"
    default_hint = (
        "An agent that the daemon runs has COFFEE_ITEM and COFFEE_RUN in its environment. For all operations, as a "
        "person's own assistant needs them, there is `coffee-roadmap mcp --full`."
    )


class RunOver(Conflict):
    """The work on {item} that this agent belongs to is not under way any more, so it can change nothing."""

    code = "run_over"
    default_hint = "End your work; what you made in the work tree is kept."


class McpMissing(Refusal):
    """The MCP server needs the Python package mcp, which is not installed."""

    code = "mcp_missing"
    default_hint = "Install coffee-roadmap with it, e.g. `pipx install '.[mcp]'`."


# --- settings --------------------------------------------------------------------------------------------------


class BadSetting(Refusal):
    """{where}: {problem}."""

    code = "bad_setting"


# --- channels --------------------------------------------------------------------------------------------------


class ChannelFailed(TryAgain):
    """Channel {channel} could not deliver: {problem}."""

    code = "channel_failed"


# --- faces -----------------------------------------------------------------------------------------------------


class OutputLost(Refusal):
    """The result could not be written to standard output: {problem}."""

    code = "output_lost"
    default_hint = "What the command did is done; only its report is lost."


class InputMissing(Refusal):
    """Standard input gives no text: {problem}."""

    code = "input_missing"
    default_hint = "Give the text as an argument, or pipe it in."


class DiskFull(Refusal):
    """There is no space left where {where} is."""

    code = "disk_full"
    default_hint = "Make room there, then repeat the command; what was acknowledged before is safe."


class OutOfReach(Refusal):
    """{path} cannot be used: {problem}."""

    code = "out_of_reach"
    default_hint = "Check who owns it and who may write there; `coffee-roadmap doctor` looks at the whole set-up."


class NeedsYes(Refusal):
    """{what} needs --yes, because nobody can be asked here."""

    code = "needs_yes"
    default_hint = "Look at it with --dry-run first; with --yes it is done without asking."


class InternalError(Refusal):
    """This is our bug, not yours: {error}."""

    code = "internal_error"
    exit_code = BUG
    http_status = 500
    default_hint = "The details are in {log}; please send it with your report."
