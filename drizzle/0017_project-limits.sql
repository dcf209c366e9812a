ALTER TABLE "projects" ADD COLUMN "limits" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
UPDATE "projects" SET "limits" = jsonb_build_object('live_jobs', "live_jobs_allowed") WHERE "live_jobs_allowed" IS NOT NULL;
