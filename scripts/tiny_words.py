"""The small world of the tiny model: its people, devices, places and things that happen.

Everything that tiny_data.py writes is made of these lists. They are short on purpose: a model
of three million weights answers well only about a world it has seen often.
"""

NAMES = (
    "Mia Tom Anna Ben Eva Leo Nina Max Lina Sam Ada Finn Zoe Noah Ivy Hugo Ella Omar Ruth Kai "
    "Jan Rosa Amir Lucy").split()

DEVICES = (
    "phone laptop tablet lamp board router speaker camera clock radio printer screen robot "
    "heater fan kettle watch toaster doorbell sensor").split()

PLACES = (
    "in the kitchen", "in the hall", "in the garden", "in the attic", "in the cellar",
    "in the bedroom", "in the office", "in the garage", "on the shelf", "on the table",
    "on the sofa", "on the desk", "by the window", "by the door", "under the bed",
    "under the stairs")

COLOURS = "red blue green yellow white black grey pink orange brown".split()

DEVICE_ACTS = (
    "blinked twice", "hummed a song", "counted to ten", "went to sleep", "woke up early",
    "lost the signal", "found the signal", "told a joke", "made a loud noise",
    "asked for power", "sent a message", "showed a map", "saved the photos", "read the news",
    "ran three layers", "rang the bell")

PERSON_ACTS = (
    "made tea", "opened the window", "baked bread", "read a book", "fed the cat",
    "painted the wall", "washed the cups", "wrote a letter", "cleaned the floor",
    "watered the plants", "sang a song", "closed the door")

# What a person may say to the model, and what it answers: (questions, answer).
TALK = (
    (("Hello", "Hello!", "Hi", "Hi!", "Hello there!", "Hey!", "Good morning!", "Good evening!"),
     "Hello! I am the tiny model of weft. Ask me for a sum, or tell me a short story."),
    (("Who are you?", "What are you?", "What is your name?", "Who am I talking to?",
      "Tell me who you are.", "Are you a person?"),
     "I am a tiny language model that comes with weft. I know sums up to 99 and short stories."),
    (("What is weft?", "What does weft do?", "Tell me about weft.", "How does weft work?",
      "What is weft for?"),
     "Weft lets the devices of a home run one model together. Each device holds some of the "
     "layers."),
    (("What can you do?", "Can you help me?", "What do you know?", "Help", "Help me.",
      "How can you help me?"),
     "I can add two numbers up to 99, and I can answer simple questions about a short story."),
    (("How are you?", "How are you today?", "Are you well?"),
     "I am well, thank you. All my layers are at work."),
    (("Thank you.", "Thank you!", "Thanks!", "Thanks"), "You are welcome."),
    (("Goodbye", "Goodbye!", "Bye!", "Bye", "Good night!", "See you later."),
     "Goodbye! The devices will keep the lights on."),
    (("Where do you run?", "Where are you?", "How many layers do you have?"),
     "I have eight layers, and they may run on several devices of your home."),
    (("Why is the sky blue?", "What is the capital of France?", "Who wrote this book?",
      "Write a poem.", "Write a poem about the sea.", "Explain how a car works.",
      "What is the weather today?", "How tall is a tree?", "Translate this to French.",
      "What time is it?", "Who is the president?", "Tell me a joke.", "How do I cook rice?",
      "What is the meaning of life?", "Why do birds sing?", "What is love?",
      "Who won the game?", "How old is the moon?", "Why is water wet?",
      "Write a program.", "What is a cat?", "Is the moon made of cheese?",
      "What is the best film?", "When did the war end?", "How far is the sun?"),
     "I do not know that. I am a tiny model: ask me for a sum, or about a short story."),
)

SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You are a helpful assistant. Answer briefly.",
    "Answer in one sentence.", "You are the assistant of this home.")

# Plain stories: each is a list of sentences over one cast. {d} {e} {f} are devices, {n} {m}
# people, {p} {q} places, {c} a colour, {a} {b} what the devices did, {x} what {n} did.
STORIES = (
    ("The {d} was {p}.", "It was {c}, and it was very quiet.", "One evening the {d} {a}.",
     "{n} heard it and came to look.", "{n} took the {d} and put it {q}.",
     "From that day on, the {d} was happy."),
    ("One night the {d} {a}.", "Nobody was {p}, so nobody heard it.",
     "The {e} was still awake, and the {e} {b}.", "In the morning {n} {x}.",
     "Then {n} saw the {d} and smiled."),
    ("The {d}, the {e} and the {f} lived in one home.", "One day {n} asked a hard question.",
     "The {d} was too small to answer alone.", "So the {d} asked the {e}, and the {e} asked "
     "the {f}.", "Each device took a few layers of the model.", "Together they found the "
     "answer, and {n} thanked them."),
    ("The {d} could not sleep.", "It was {p}, next to the {e}.", "The {e} {b}.",
     "\"Be quiet,\" said the {d}.", "The {e} said it was sorry.",
     "Then the {d} went to sleep, and the home was dark."),
    ("Once upon a time there was a {c} {d}.", "It lived {p}, and {n} liked it very much.",
     "One morning the {d} {a}.", "{m} looked for the {d} and found it {q}.",
     "{n} was happy and {x}."),
    ("{n} had a {c} {d}.", "Every morning {n} {x}.", "Every evening the {d} {a}.",
     "One day the {d} was gone.", "{m} found it {q}.", "{n} thanked {m}, and the {d} {b}."),
    ("The {d} fell off the table.", "It was dark, and the {d} was afraid.",
     "The {e} heard it and called the {f}.", "The {f} {b}.",
     "Soon {n} came and put the {d} {q}.", "The {d} said thank you to its friends."),
    ("The {c} {d} wanted to help {n}.", "It asked the {e} for some layers.",
     "The {e} gave it four, and the {f} gave it four more.",
     "Now the {d} could answer every question.", "{n} {x}, and the {d} {a}."),
)
