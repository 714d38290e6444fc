import { acceleratorEnv } from "./accelerator.ts";

describe("acceleratorEnv", () => {
  const before = process.env.GLIBC_TUNABLES;
  afterEach(() => {
    if (before === undefined) delete process.env.GLIBC_TUNABLES;
    else process.env.GLIBC_TUNABLES = before;
  });

  test("an emulated machine gets huge pages beside the user's own tunables", () => {
    delete process.env.GLIBC_TUNABLES;
    expect(acceleratorEnv("tcg").GLIBC_TUNABLES).toBe("glibc.malloc.hugetlb=1");
    process.env.GLIBC_TUNABLES = "glibc.malloc.arena_max=2";
    expect(acceleratorEnv("tcg").GLIBC_TUNABLES).toBe("glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1");
  });

  test("a machine with KVM gets the environment as it is", () => {
    process.env.GLIBC_TUNABLES = "glibc.malloc.arena_max=2";
    expect(acceleratorEnv("kvm").GLIBC_TUNABLES).toBe("glibc.malloc.arena_max=2");
  });
});
