CREATE TABLE "fetched_results" (
	"shard_id" smallint NOT NULL,
	"job_row_id" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"note" text NOT NULL,
	"fetched_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "fetched_results_shard_id_job_row_id_pk" PRIMARY KEY("shard_id","job_row_id")
);
--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "result_fetch" text;