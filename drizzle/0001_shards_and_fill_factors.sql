-- One row a shard for ever: owning is an update, so a claim can be a compare-and-set.
INSERT INTO "shards" ("shard_id") SELECT generate_series(0, 255) ON CONFLICT DO NOTHING;
--> statement-breakpoint
-- Room on the page for the one or two updates that these rows get, so that they stay in place.
ALTER TABLE "jobs" SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
ALTER TABLE "deliveries" SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
--> statement-breakpoint
-- Emptied all the time: vacuum by count, not by share of a table that is usually empty.
ALTER TABLE "mailbox" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
