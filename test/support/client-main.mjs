// Takes the gateway and the key from the environment, as the client does by itself.
import { program } from "./client-program.mjs";

process.stdout.write(await program());
