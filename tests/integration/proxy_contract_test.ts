import { apiServerContract } from "../testing/api_server_contract.ts";
import { startFakeSite } from "../testing/fake_site.ts";

// The proxy is held to what it stands in for: the suite that the fake and the real cloud pass.
apiServerContract("the proxy in front of the fake cloud", async () => {
  const site = await startFakeSite();
  return {
    fetch: (path, init) => site.proxy.fetch(path, init),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
});
