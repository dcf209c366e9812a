CREATE TABLE "idempotent_answers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"project_id" uuid NOT NULL,
	"operation" text NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"answer" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "idempotent_answers_by_key" ON "idempotent_answers" USING btree ("project_id","operation","key");--> statement-breakpoint
CREATE INDEX "idempotent_answers_by_time" ON "idempotent_answers" USING btree ("created_at");