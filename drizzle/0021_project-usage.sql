CREATE TABLE "project_usage" (
	"project_id" uuid PRIMARY KEY NOT NULL,
	"live_subscriptions" bigint NOT NULL,
	"owed_deliveries" bigint NOT NULL,
	"stored_bytes" bigint NOT NULL,
	"counted_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "subscription_count" integer DEFAULT 0 NOT NULL;