// The usual fast door in Node: Fastify and ioredis. It asks Redis for the link, appends the click, and redirects; no
// cookie, no click id. Commands of one turn of the event loop travel together (autopipelining), its fastest setting.
// Run by the redirect bench in a folder where `npm ci` was done; PORT, REDIS_URL and STREAM are in the environment.
import Fastify from "fastify";
import Redis from "ioredis";

const { PORT, REDIS_URL, STREAM } = process.env;
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
const app = Fastify({ logger: false, keepAliveTimeout: 60000 });

app.get("/:code", async (request, reply) => {
  const { code } = request.params;
  const destination = await redis.get(`destination:${code}`);
  if (destination === null) return reply.code(404).send();
  const { "user-agent": agent = "", referer = "" } = request.headers;
  await redis.xadd(STREAM, "*", "code", code, "ip", request.ip, "agent", agent, "referrer", referer);
  return reply.code(302).header("location", destination).send();
});

await app.listen({ host: "127.0.0.1", port: Number(PORT) });
