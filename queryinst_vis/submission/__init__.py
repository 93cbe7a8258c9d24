"""Results of a whole set of videos for a YouTube-VIS server: made video by video, checked before anybody else does."""
