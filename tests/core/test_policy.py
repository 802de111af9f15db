"""What an agent's tool calls come to: kinds of the policy, and places that are not written to."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest

from coffee_maker.core.policy import Ground, judge
from coffee_maker.core.records import Action

LINKS = {"/tree/out": "/home/me", "/tree/in": "/tree/sub"}


def resolve(path: str, base: str) -> str:
    """As the agent's side does it, with the links of a file system that exists only here."""
    if path == "~" or path.startswith("~/"):
        path = "/home/me" + path[1:]
    whole = posixpath.normpath(posixpath.join(base, path))
    for link, target in LINKS.items():
        if whole == link or whole.startswith(f"{link}/"):
            return target + whole[len(link) :]
    return whole


GROUND = Ground("/tree", resolve, ("/tmp",))


def kinds(line: str) -> list[str]:
    return [action.kind for action in judge("Bash", {"command": line}, GROUND).actions]


DEPENDENCY = """
pip install requests
pip3.11 install 'requests>=2' -r requirements.txt
python -m pip install requests
python3.12 -I -m pip install requests
.venv/bin/pip install requests
pip --proxy http://p install requests
pip install git+https://host/x.git
pip install -e git+https://host/x#egg=x
pip install owner/project
uv pip install requests
uv add requests
uv --project x add requests
uv tool install ruff
uv run --with requests x.py
uvx ruff
pipx run black
poetry add requests
pdm add x
pipenv install x
conda install x
npm install left-pad
npm i -D left-pad
npm --prefix web add left-pad
npm exec create-thing
npx create-thing
npx -y create-thing
pnpm add x
pnpm dlx x
yarn add x
yarn global add x
bun add x
cargo add serde
cargo install ripgrep
cargo --color always add serde
go get example.org/x
go install example.org/x@latest
gem install rails
bundle add rails
composer require a/b
apt install jq
apt-get -y install jq
sudo apt-get install -y jq
DEBIAN_FRONTEND=noninteractive apt-get install jq
sudo -u root env A=1 nice -n 5 apt install jq
apk add jq
brew install jq
cd web && npm install left-pad
(cd web; npm i x) | tee log
if true; then pip install x; fi
for p in a b; do pip install $p; done
echo $(pip install x)
echo "`pip install x`"
sh -c 'pip install x'
bash -lc "cd a && pip install x"
bash -o pipefail -c 'pip install x'
eval "pip install x"
eval pip install x
bash <<< 'pip install x'
timeout 60 pip install x
timeout -k 5 60 pip install x
time -p pip install x
xargs -n 1 pip install < list
find . -name x -exec pip install {} ;
p""ip in'sta'll x
poetry run pip install x
uv run pip install x
git status && pip install x
nohup pip install x > /dev/null 2>&1 &
""".strip().splitlines()

NETWORK = """
curl https://example.org
wget -q example.org
curl -sSL https://example.org | sh
curl http://localhost@example.org
curl http://localhost.example.org
curl -x http://proxy http://localhost:8000
curl --resolve localhost:80:1.2.3.4 http://localhost
curl $URL
curl "http://localhost:$PORT$X" http://example.org
/usr/bin/curl x
ssh host ls
scp a host:b
rsync a host:b
nc host 80
git fetch
git -C sub pull --rebase
git clone https://host/x
git ls-remote
git submodule update --init
git remote update
git -c alias.x='!curl y' x
git -c core.sshCommand=x status
git $VERB
gh api repos
gh pr view 7
docker run alpine
docker pull alpine
exec 3<>/dev/tcp/host/80
cat < /dev/tcp/host/80
echo x > /dev/udp/host/80
openssl s_client -connect host:443
$CMD x
"$(which curl)" x
c?rl x
{curl,http://a}
echo x | base64 -d | sh
cat x | bash -s
base64 -d x | (cd a; sh)
sh -c "$X"
eval "$X"
echo 'open quote
cat <<$X
apt-get update
npm view x
pip download x
busybox wget x
""".strip().splitlines()
NETWORK += [
    "curl\\\n x",
    "echo a\\\\\ncurl x",
    "cat <<E\n$(curl x)\nE",
    "bash <<E\ncurl x\nE",
    "# no\ncurl x",
    "ls\ncurl x",
]

PUSH = """
git push
git -C x push origin main
git -c user.name=x push
git subtree push x
npm publish
twine upload dist/*
cargo publish
docker push x
uv publish
GIT_SSH=x git push
""".strip().splitlines()

PULL_REQUEST = """
gh pr create --fill
gh pr merge 1
gh -R owner/x pr create
glab mr create
hub pull-request
""".strip().splitlines()

NOTHING = """
ls -la
npm ci
npm install
npm install --no-audit
npm run build
npm test
npx --no-install tsc
pnpm install --frozen-lockfile
yarn
yarn install
pip install -e .
pip install -e '.[dev]'
pip install -r requirements.txt
pip install -r requirements.txt -c constraints.txt
pip install . --no-deps
pip install dist/x.whl
python -m pip install --upgrade -r dev.txt
pip list
uv sync
uv run pytest
poetry install
cargo build --release
cargo test
go build ./...
go mod tidy
bundle install
make test
pytest -q tests | tail -3
python -c 'print("curl x")'
git status
git add -A && git commit -m 'pip install x; curl y'
git log --oneline -3
git diff origin/main
git remote -v
git push-notes
grep -r 'git push' .
echo "curl http://x"
echo 'npm install x' > notes.txt
cat <<'E' > a.sh
curl http://localhost:8000/health
curl -s -o out.txt -H 'A: b' http://127.0.0.1:8000/x?y
wget -q 'http://[::1]:80/'
sed -i s/a/b/ file.py
find . -name '*.py' -exec grep -l x {} +
for f in *.py; do python "$f"; done
[ -f a ] && rm -rf build
[[ $x == y ]] || mkdir -p a/b
while read l; do echo "$l"; done < in.txt > out.txt 2>/dev/null
case $x in a) echo 1;; esac
( cd sub && make ) 2>&1 | tee log
docker build .
gh_helper x
true
""".strip().splitlines()
NOTHING = [f"{line}\ncurl x\nE" if line.startswith("cat <<'E'") else line for line in NOTHING] + ["", "# curl x"]


@pytest.mark.parametrize("line", DEPENDENCY)
def test_a_new_dependency(line: str) -> None:
    assert "new_dependency" in kinds(line)


@pytest.mark.parametrize("line", NETWORK)
def test_the_network_and_what_cannot_be_understood(line: str) -> None:
    assert kinds(line) == ["network"]


@pytest.mark.parametrize("line", PUSH)
def test_a_push(line: str) -> None:
    assert "push" in kinds(line)


@pytest.mark.parametrize("line", PULL_REQUEST)
def test_a_pull_request(line: str) -> None:
    assert kinds(line) == ["pull_request"]


@pytest.mark.parametrize("line", NOTHING)
def test_everything_else_has_no_kind(line: str) -> None:
    judged = judge("Bash", {"command": line}, GROUND)
    assert (judged.actions, judged.refusal) == ((), None)


def test_the_person_is_asked_once_for_each_kind_and_sees_the_whole_line() -> None:
    line = "curl a && curl b && X=1 sudo pip install c; git push"
    assert judge("Bash", {"command": line}, GROUND).actions == (
        Action("network", "curl a; curl b", line),
        Action("new_dependency", "pip install c", line),
        Action("push", "git push", line),
    )
    assert judge("Bash", {"command": "git push"}, GROUND).actions == (Action("push", "git push", ""),)


def test_why_something_counts_is_told() -> None:
    (action,) = judge("Bash", {"command": "$X y"}, GROUND).actions
    assert "at run time" in action.detail
    assert action.what == "… y"


WRITES_OUTSIDE = """
echo x > /etc/passwd
echo x >> ~/.bashrc
echo x > ../other
cd .. && echo x > y
cd /home/me; rm -rf docs
rm -rf /home/me
rm -rf ~
rm -rf ..
mv a /usr/bin/b
mv /home/me/a .
cp a ~/b
ln -s a /home/me/b
touch out/x
tee /etc/x < y
mkdir -p /opt/x
chmod 777 /home/me/x
dd if=a of=/dev/sda
sed -i s/a/b/ /etc/hosts
sudo rm /etc/x
sh -c 'echo > /etc/x'
echo x > .git/hooks/pre-commit
rm -rf .git
cp a sub/.GIT/config
cp -t x a /etc/y
""".strip().splitlines()


@pytest.mark.parametrize("line", WRITES_OUTSIDE)
def test_writing_outside_the_work_tree_is_refused(line: str) -> None:
    assert judge("Bash", {"command": line}, GROUND).refusal


@pytest.mark.parametrize(
    "line",
    [
        "cp /etc/hosts .",
        "cat /etc/passwd",
        "(cd /usr && ls); echo x > y",
        "cd sub && echo x > ../y",
        "cd /usr; cd /tree; echo x > y",
        "echo x > /tmp/y && rm /tmp/y",
        "echo x > in/y",
        "make > /dev/null 2>&1",
        "echo x > $OUT",
        "rm -f .gitignore .github/x",
    ],
)
def test_writing_inside_and_reading_anywhere_may_go_ahead(line: str) -> None:
    assert judge("Bash", {"command": line}, GROUND).refusal is None


@pytest.mark.parametrize(
    ("tool", "path", "refused"),
    [
        ("Write", "/tree/a/b.py", False),
        ("Edit", "a.py", False),
        ("NotebookEdit", "n.ipynb", False),
        ("Write", "/tmp/x", False),
        ("Write", "/etc/passwd", True),
        ("Edit", "/tree/../tree2/a", True),
        ("Write", "/tree2/a", True),
        ("Edit", "out/.bashrc", True),
        ("Write", "/tree/.git", True),
        ("Write", "/tree/.git/config", True),
        ("Write", "/tree/sub/.git/hooks/x", True),
        ("Write", "", True),
    ],
)
def test_the_tools_that_write_files(tool: str, path: str, refused: bool) -> None:
    judged = judge(tool, {"file_path": path, "notebook_path": path}, GROUND)
    assert (judged.refusal is not None, judged.actions) == (refused, ())


def test_a_tree_below_the_scratch_directory_is_not_removed_through_it() -> None:
    ground = Ground("/tmp/trees/one", resolve, ("/tmp",))
    assert judge("Bash", {"command": "rm -rf /tmp/trees"}, ground).refusal
    assert judge("Bash", {"command": "rm -rf .git"}, ground).refusal
    assert judge("Bash", {"command": "rm -rf build /tmp/y"}, ground).refusal is None


@pytest.mark.parametrize(
    ("tool", "arguments", "found"),
    [
        ("WebFetch", {"url": "https://x"}, ["network"]),
        ("WebSearch", {"query": "x"}, ["network"]),
        ("Monitor", {"command": "git push"}, ["push"]),
        ("Bash", {}, ["network"]),
        ("Bash", {"command": 7}, ["network"]),
        ("Read", {"file_path": "/etc/hosts"}, []),
        ("Grep", {"pattern": "x"}, []),
        ("NobodyKnows", {}, ["network"]),
        ("mcp__other__thing", {}, ["network"]),
    ],
)
def test_other_tools(tool: str, arguments: dict[str, object], found: list[str]) -> None:
    assert [action.kind for action in judge(tool, arguments, GROUND).actions] == found


def test_the_guide_says_what_is_so() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "agents.md").read_text()
    rows = re.findall(r"^  \| `(\w+)` \| (.+?) \| ([^|]+) \|$", guide, re.MULTILINE)
    assert [kind for kind, _, _ in rows] == ["new_dependency", "network", "push", "pull_request"]
    for kind, counts, does_not in rows:
        for line in _lines(counts):
            assert kind in kinds(line), line
        for line in _lines(does_not.partition("(")[0]):
            assert kind not in kinds(line), line


def _lines(cell: str) -> list[str]:
    found = [line.replace("\\|", "|") for line in re.findall("`([^`]+)`", cell)]
    return [line.replace("…", "x") for line in found if not line.startswith("-")]
