"""Small registers in the forms of real ones, of firms that do not exist, for tests."""

from __future__ import annotations

from pathlib import Path

MODELS_DEV = {
    "acme": 'name = "Acme"\nenv = ["ACME_KEY"]\nnpm = "@ai-sdk/openai-compatible"\ndoc = "https://docs.acme.chat"\n'
    'api = "https://api.acme.chat/v1"\n',
    "bravo": 'name = "Bravo AI"\nenv = ["BRAVO_KEY"]\n# runs elsewhere\napi = "https://llm.bravo-models.dev/v1"\n',
    "cloudy": 'name = "Cloudy"\nenv = []\napi = "https://{ACCOUNT}.models.cloudy.dev/v1"\ndoc = "https://cloudy.dev"\n',
    "local": 'name = "Local"\nenv = []\napi = "http://127.0.0.1:1234/v1"\n',
    "silent": 'name = "Silent"\nenv = []\ndoc = "https://silent.dev/docs"\n',
}
CLIENT_LIST = """\
/** Generated. { "id": "not-this", baseUrl: "https://comment.dev" } */
import type { BuiltinSpec } from "./types";
// { id: "nor-this", baseUrl: "https://line.dev" }
export const SPECS: readonly BuiltinSpec[] = [
\t{
\t\tid: "acme",
\t\tname: "Acme \\u0041\\"I\\"",
\t\tcapabilities: ["tools", "reasoning"],
\t\tdocsUrl:
\t\t\t"https://docs.acme.chat",
\t\tdefaults: {
\t\t\tbaseUrl:
\t\t\t\t"https://api.acme.chat/v1",
\t\t},
\t},
\t{ 'id': 'delta', "baseUrl": `https://api.delta-models.dev/v1`, models: [{ id: "delta-1" }], fn: (x) => ({ y: x }) },
\t{ id: "keyless", name: "Keyless" },
];
"""
CATWALK = {
    "acme": '{\n  "name": "Acme",\n  "id": "acme",\n  "type": "openai-compat",\n  "api_endpoint": "https://api.acme.chat/v1",\n'
    '  "models": [{"id": "a-1"}]\n}\n',
    "own": '{"name": "Own", "id": "own", "api_endpoint": "$OWN_API_ENDPOINT", "models": []}',
}
LITELLM = '{\n  "acme": {\n    "base_url": "https://api.acme.chat/v1",\n    "api_key_env": "ACME_KEY"\n  }\n}\n'
PRICES = """\
{
  "sample_spec": {"litellm_provider": "one of https://docs", "mode": "chat"},
  "acme/one": {"litellm_provider": "acme", "mode": "chat", "source": "https://acme.chat/prices"},
  "acme/two": {"litellm_provider": "acme", "api_base": "https://two.acme.chat/v1"},
  "echo": {"litellm_provider": "echo", "mode": "chat"}
}
"""
V2FLY = {
    "category-ai-!cn": "include:acme\n\n# Echo\necho-chat.dev # its site\nfull:cdn.echo-chat.dev @cn\nkeyword:echo\n",
    "acme": "acme.chat\nfull:t.acme.chat @ads\nregexp:^acme[0-9]\\.dev$ &other\ninclude:acme @cn\n",
}
ADGUARD = """\
id: acme
name: Acme
rules:
  - '||acme.chat^'
  - '|only.acme.chat^'
  - '||*.acme.dev^'
  - '/acme/'
icon_svg: <svg/>
group: ai
"""
ADGUARD_JSON = """\
{"blocked_services": [
  {"id": "acme", "name": "Acme", "rules": ["||acme.chat^"], "icon_svg": "<svg/>", "group": "ai"},
  {"id": "film", "name": "Film", "rules": ["||film.example.dev^"], "icon_svg": "<svg/>", "group": "video"}
], "groups": [{"id": "ai"}, {"id": "video"}]}
"""
TABLE = (
    "# acme/models, providers/*.toml at 0123abcd (2026-07-02), MIT; other/list src/a.ts at 89abcdef (2026-08-21)\n"
    "# registry\tid\tname\tapi\n"
    "models\tacme\tAcme\thttps://api.acme.chat/v1\n"
    "list\tbravo\tBravo AI\thttps://llm.bravo-models.dev/v1\n"
    "list\tcloudy\tCloudy\t\n"
)


def tree(folder: Path, files: dict[str, str], pattern: str = "{}") -> Path:
    """Write files into a folder, each where `pattern` puts its name."""
    for name, text in files.items():
        path = folder / pattern.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def one(folder: Path, name: str, text: str) -> Path:
    """Write one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder / name
