ALTER TABLE "connections" ADD COLUMN "probe_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "probes" integer DEFAULT 0 NOT NULL;