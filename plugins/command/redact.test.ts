/** Removal of secrets from text. */
import { redactor, redactorOf } from "./redact.ts";
import { secret, type Properties } from "./wire.ts";

describe("redactor", () => {
  test("replaces each secret, longer ones first, and nothing else", () => {
    const { redact, finds } = redactor(["pass", "password1", "a.c"]);
    expect(redact("password1 pass abc a.c")).toBe("[secret] [secret] abc [secret]");
    expect(finds("abc")).toBe(false);
    expect(finds("my password1")).toBe(true);
  });

  test("replaces a secret of several lines line by line, but not its short lines", () => {
    const { redact } = redactor(["set -e\nfi\nlong-secret-line\n"]);
    expect(redact("fi\nsaw long-secret-line")).toBe("fi\nsaw [secret]");
  });

  test("replaces lines of at least eight characters of a secret of several lines, without surrounding space", () => {
    const { redact, longest } = redactor(["\t12345678 \n1234567\n"]);
    expect(redact("12345678 1234567")).toBe("[secret] 1234567");
    expect(longest).toBe(8);
  });

  test("finds a secret at the start of a text, and knows the length of the longest one", () => {
    const { finds, longest } = redactor(["abc", "abcdef"]);
    expect(finds("abc")).toBe(true);
    expect(longest).toBe(6);
    const none = redactor([]);
    expect([none.finds("abc"), none.finds(""), none.longest, none.redact("abc")]).toEqual([
      false,
      false,
      0,
      "abc",
    ]);
  });

  test("accepts a missing connection, one that is not an object, and one without credentials", () => {
    const some: Properties[] = [
      {},
      { connection: secret("text") },
      { connection: secret({ host: "Stryker was here!" }) },
    ];
    for (const inputs of some)
      expect(redactorOf(inputs).redact("text Stryker was here! undefined")).toBe(
        "text Stryker was here! undefined",
      );
  });

  test("keeps values of one or two characters, because replacing them would make text unreadable", () => {
    expect(redactor(["a", "0", ""]).redact("a0a")).toBe("a0a");
  });
});

test("of a connection, only the credentials, including the proxy's, are replaced", () => {
  const connection = secret({
    host: "127.0.0.1",
    user: "root",
    password: "pw-one",
    proxy: {
      host: "gate",
      user: "me",
      privateKey: "-----BEGIN-----\nkey-material\n",
      privateKeyPassword: "pw-two",
    },
  });
  const { redact } = redactorOf({ connection, stdin: secret("pw-three"), create: "echo open" });
  expect(redact("root@127.0.0.1 gate me pw-one pw-two pw-three key-material open")).toBe(
    "root@127.0.0.1 gate me [secret] [secret] [secret] [secret] open",
  );
});
